#include "common/data/schema.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "common/data/migrations.h"
#include "common/status/status.h"

namespace parley::data {
namespace {

// An arbitrary constant: what else takes advisory locks in this database must not take this one.
constexpr int64_t kAdvisoryLock = 7261951307;

constexpr Statement kRoleExists{"role_exists", "select exists (select from pg_roles where rolname = 'parley_service')"};

constexpr Statement kApplied{"applied_migrations", "select coalesce(max(version), 0)::int8 from schema_migrations"};

constexpr Statement kRecord{"record_migration",
                            "insert into schema_migrations (version, name, apply_time) values ($1, $2, now())"};

// A role may change the log, or the tree over it, by a grant, as its owner, as owner of what holds it, as superuser, or
// by becoming such a role; CREATEROLE makes members of any role in PostgreSQL 15.
constexpr Statement kCheck{"check_schema", R"sql(
  select coalesce(max(version), 0)::int8,
         exists (select from unnest(array[to_regclass('parley.log_entries'), to_regclass('parley.log_leaves'),
                                          to_regclass('parley.log_nodes')]) as t
                 join pg_class c on c.oid = t
                 join pg_namespace n on n.oid = c.relnamespace
                 join pg_database d on d.datname = current_database()
                 join pg_roles r on pg_has_role(r.oid, 'MEMBER')
                 where pg_has_role(c.relowner, 'MEMBER') or pg_has_role(n.nspowner, 'MEMBER')
                   or pg_has_role(d.datdba, 'MEMBER') or r.rolsuper or r.rolcreaterole
                   or has_any_column_privilege(r.oid, c.oid, 'UPDATE') or has_table_privilege(r.oid, c.oid, 'DELETE')
                   or has_table_privilege(r.oid, c.oid, 'TRUNCATE') or has_table_privilege(r.oid, c.oid, 'TRIGGER'))
  from schema_migrations)sql"};

constexpr Statement kIsMigrated{"is_migrated", R"sql(
  select to_regclass('parley.schema_migrations') is not null
         and to_regclass('parley.log_entries') is not null
         and has_schema_privilege('parley', 'USAGE'))sql"};

}  // namespace

int SchemaVersion() { return static_cast<int>(kMigrations.size()); }

absl::StatusOr<std::vector<std::string>> Migrate(const std::string& owner_url) {
  PARLEY_ASSIGN_OR_RETURN(auto connection, Connection::Open(owner_url));
  PARLEY_ASSIGN_OR_RETURN(auto role, connection->Execute(kRoleExists, {}));
  if (!role[0].GetBool(0)) {
    return absl::FailedPreconditionError(
        "the role parley_service, as which the services log in, does not exist; an administrator makes it: "
        "create role parley_service login password '...'");
  }
  PARLEY_RETURN_IF_ERROR(
      connection->Script(absl::StrFormat("set lock_timeout = 0; select pg_advisory_lock(%d)", kAdvisoryLock)).status());
  // The lock ends with the session.
  PARLEY_RETURN_IF_ERROR(connection
                             ->Script("create schema if not exists parley;"
                                      "create table if not exists schema_migrations (version bigint primary key, name "
                                      "text not null, apply_time timestamptz not null);"
                                      "grant usage on schema parley to parley_service;"
                                      "grant select on schema_migrations to parley_service")
                             .status());
  PARLEY_ASSIGN_OR_RETURN(auto applied, connection->Execute(kApplied, {}));
  std::vector<std::string> names;
  for (auto version = applied[0].GetInt(0) + 1; version <= SchemaVersion(); ++version) {
    const Migration& migration = kMigrations[static_cast<size_t>(version - 1)];
    PARLEY_RETURN_IF_ERROR(connection->Script("begin").status());
    PARLEY_RETURN_IF_ERROR(connection->Script(migration.sql).status());
    PARLEY_RETURN_IF_ERROR(connection->Execute(kRecord, Params().Add(version).Add(migration.name)).status());
    PARLEY_RETURN_IF_ERROR(connection->Script("commit").status());
    names.emplace_back(migration.name);
  }
  return names;
}

absl::Status CheckSchema(Pool& pool, absl::Time deadline) {
  return Transact(pool, deadline, [](Transaction& tx) -> absl::Status {
    PARLEY_ASSIGN_OR_RETURN(auto migrated, tx.Execute(kIsMigrated));
    if (!migrated[0].GetBool(0)) return absl::UnavailableError("the database has no schema yet: run parleyctl migrate");
    PARLEY_ASSIGN_OR_RETURN(auto check, tx.Execute(kCheck));
    if (check[0].GetBool(1)) {
      return absl::FailedPreconditionError(
          "this login owns or may change the log, which must be append-only: log in as parley_service, not as the "
          "owner");
    }
    if (check[0].GetInt(0) < SchemaVersion()) {
      return absl::UnavailableError(absl::StrCat("the schema has version ", check[0].GetInt(0), ", version ",
                                                 SchemaVersion(), " is needed: run parleyctl migrate"));
    }
    return absl::OkStatus();
  });
}

}  // namespace parley::data
