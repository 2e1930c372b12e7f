// A PostgreSQL of a test's own, which can be killed.
//
//   Cluster cluster;
//   System system({.database_url = cluster.Url("PARLEY_DATABASE_URL")});
//   cluster.Kill();
//   cluster.Start();
#pragma once

#include <string>
#include <vector>

#include "tests/support/process.h"

namespace parley::test {

// Whatever cannot be done ends the test program. For one thread.
class Cluster {
 public:
  // Running, migrated, empty.
  Cluster();
  // Removed at the end, also when the test program is killed: nothing else would end it.
  ~Cluster();
  Cluster(const Cluster&) = delete;
  Cluster& operator=(const Cluster&) = delete;

  void Start();
  // Kills the server, and waits until its sessions have followed.
  void Kill();
  // `PARLEY_DATABASE_URL` or `PARLEY_DATABASE_OWNER_URL`.
  std::string Url(const std::string& variable) const;
  // Runs SQL as the owner. Answers with the first column of the first row, as text.
  std::string Sql(const std::string& sql) const;

 private:
  std::string Do(std::vector<std::string> arguments);

  const TemporaryFolder folder_;
  Process end_;
};

}  // namespace parley::test
