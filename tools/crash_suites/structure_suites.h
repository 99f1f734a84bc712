#pragma once

// Crash tests of what a list of calls on one lane cannot say.

#include "nacre/emulation/crash_test.h"
#include "tools/crash_suites/crash_suite.h"

namespace nacre::tools {

/// A log of two lanes that are appended to in turn, and then both at once. Recovery replays them
/// merged: everything acknowledged is there, and what was acknowledged before something else began
/// stands before it.
CrashReport explore_wal_lanes(const SuiteModel& model, CrashTestOptions options);

/// Three threads append to one lane, and wait for each other's commits. Recovery finds the records
/// in an order that keeps each one behind those that were acknowledged before it was begun, and
/// none that was acknowledged is missing.
CrashReport explore_wal_concurrent(const SuiteModel& model, CrashTestOptions options);

/// Two records that leave in two writes, both under way at a time. Recovery finds the second one
/// only behind the first, which may be torn when the second is whole. Under block models.
CrashReport explore_wal_two_writes(const SuiteModel& model, CrashTestOptions options);

/// Appends, batches, truncations, reopenings and crashes at random, against a list of records.
CrashReport explore_wal_model(const SuiteModel& model, CrashTestOptions options);

/// A message log, made in the run, and two topics of it. Recovery finds the first so many topics,
/// each with all its partitions, and can make one more.
CrashReport explore_log_topics(const SuiteModel& model, CrashTestOptions options);

/// Messages, some with keys, some in a batch, to two partitions of a topic. Recovery reads each
/// partition from its begin: the first so many messages, and none that was acknowledged is missing.
CrashReport explore_log_messages(const SuiteModel& model, CrashTestOptions options);

/// Three threads append to two partitions of a topic and read them. Recovery finds in each the
/// messages of all calls that had returned, in an order that gives each append its offset and each
/// reader what it has read: what was seen is durable, too.
CrashReport explore_log_concurrent(const SuiteModel& model, CrashTestOptions options);

/// Writes and reads of every kind at random, flushes, merges, reopenings and crashes, against a
/// map.
CrashReport explore_store_model(const SuiteModel& model, CrashTestOptions options);

/// Three threads put, remove, write batches and get the same keys. Recovery finds what some order
/// of the calls gives that keeps the order of time, and in which each get saw what it did.
CrashReport explore_store_concurrent(const SuiteModel& model, CrashTestOptions options);

/// Two threads write batches across two keyspaces while a third one flushes, so that memtables are
/// sealed with batches under way.
CrashReport explore_store_memtable_switch(const SuiteModel& model, CrashTestOptions options);

}  // namespace nacre::tools
