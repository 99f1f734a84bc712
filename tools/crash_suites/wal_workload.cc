#include "tools/crash_suites/wal_workload.h"

#include "lib/base/try.h"
#include "tools/crash_suites/workload.h"

namespace nacre::tools {

Result<Records> records_of(const Wal& wal) {
  Records records;
  NACRE_TRY(wal.replay([&](std::uint32_t, const RecordView& record) {
    records.emplace_back(as_text(record.payload));
    return Status();
  }));
  return records;
}

Result<Records> read_records(SimulatedMachine& machine, const SuiteModel& model,
                             std::uint32_t lanes) {
  const Wal wal = NACRE_TRY(open_suite_wal(machine, model, lanes));
  Records records = NACRE_TRY(records_of(wal));
  machine.mark_answered();
  return records;
}

Status append_one_more(SimulatedMachine& machine, const SuiteModel& model, std::uint32_t lanes,
                       std::string_view record) {
  Records expected = NACRE_TRY(read_records(machine, model, lanes));
  {
    Wal wal = NACRE_TRY(open_suite_wal(machine, model, lanes));
    NACRE_TRY(wal.lane(lanes - 1).append(as_bytes(record)));
  }
  expected.emplace_back(record);
  if (NACRE_TRY(read_records(machine, model, lanes)) == expected) return {};
  return wrong("a record appended after recovery is not the last");
}

}  // namespace nacre::tools
