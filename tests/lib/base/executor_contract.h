#pragma once

// What every Executor does: instantiate ExecutorContract with the ways to make one.

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <string>

#include "nacre/executor.h"

namespace nacre::test {

struct ExecutorCase {
  std::string name;
  std::function<std::unique_ptr<Executor>()> make;
};

class ExecutorContract : public testing::TestWithParam<ExecutorCase> {
 protected:
  std::unique_ptr<Executor> executor_ = GetParam().make();
};

}  // namespace nacre::test
