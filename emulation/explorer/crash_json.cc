#include "lib/codec/json_writer.h"
#include "nacre/emulation/crash_report.h"

namespace nacre {
namespace {

void put(JsonWriter& json, const CrashGranule& granule) {
  json.begin_object()
      .field("path", granule.path)
      .field("address", granule.address)
      .field("garbage", granule.garbage)
      .field("bytes", granule.bytes)
      .field("kept_stores", granule.candidate)
      .field("stores", granule.candidates - 1)
      .field("kept_store", granule.kept_store)
      .field("lost_store", granule.lost_store)
      .field("hint", granule.hint);
  json.key("rows").begin_array();
  for (const CrashBytes& row : granule.pieces) {
    json.begin_object()
        .field("address", row.address)
        .field("oldest", row.oldest)
        .field("kept", row.kept)
        .field("newest", row.newest)
        .end_object();
  }
  json.end_array().end_object();
}

void put(JsonWriter& json, const CrashFailure& failure) {
  json.begin_object()
      .field("message", failure.message)
      .field("crash_point", failure.crash_point)
      .field("point", failure.point)
      .field("site", failure.site)
      .field("others_newest", failure.others_newest)
      .field("reproduction", failure.reproduction);
  json.key("granules").begin_array();
  for (const CrashGranule& granule : failure.granules) put(json, granule);
  json.end_array().key("overtaken").begin_array();
  for (const CrashGranule& granule : failure.overtaken) put(json, granule);
  json.end_array().end_object();
}

void put(JsonWriter& json, const CrashSpan& span) {
  json.begin_object()
      .field("name", span.name)
      .field("thread", span.thread)
      .field("begin", span.begin)
      .field("end", span.end)
      .end_object();
}

void put(JsonWriter& json, const CrashStep& step) {
  json.begin_object()
      .field("begin", step.begin)
      .field("end", step.end)
      .field("kind", step.kind)
      .field("thread", step.thread)
      .field("address", step.address)
      .field("bytes", step.bytes)
      .field("site", step.site)
      .end_object();
}

void put(JsonWriter& json, const CrashPointSummary& point) {
  json.begin_object()
      .field("event", point.event)
      .field("kill", point.kill)
      .field("description", point.description)
      .field("site", point.site)
      .field("granules", point.granules)
      .field("product", point.product)
      .field("states", point.states)
      .field("nested_states", point.nested_states)
      .field("outcomes", point.outcomes)
      .end_object();
}

template <class Items>
void put_each(JsonWriter& json, std::string_view name, const Items& items) {
  json.key(name).begin_array();
  for (const auto& item : items) put(json, item);
  json.end_array();
}

}  // namespace

std::string CrashReport::to_json() const {
  JsonWriter json;
  json.begin_object()
      .field("verdict", crash_verdict_name(verdict))
      .field("problem", problem)
      .field("model", model)
      .field("seed", seed)
      .field("operations", operations)
      .field("events", events)
      .field("crash_points", crash_points)
      .field("open_points", open_points)
      .field("schedules", schedules)
      .field("different_schedules", different_schedules)
      .field("preemptions", preemptions)
      .field("tried_each_state", tried_each_state)
      .field("sequences", sequences)
      .field("steps_before", steps_before)
      .field("kill_points", kill_points)
      .field("recovery_kills", recovery_kills)
      .field("states", states)
      .field("nested_states", nested_states)
      .field("product", product)
      .field("distinct_outcomes", distinct_outcomes)
      .field("seconds", seconds);
  json.key("steps").begin_array();
  for (const std::string& step : steps) json.value(step);
  json.end_array();
  put_each(json, "failures", failures);
  json.key("timeline").begin_object();
  put_each(json, "operations", timeline.operations);
  put_each(json, "steps", timeline.steps);
  json.field("steps_left_out", timeline.steps_left_out);
  put_each(json, "points", timeline.points);
  json.end_object().end_object();
  return json.text() + "\n";
}

}  // namespace nacre
