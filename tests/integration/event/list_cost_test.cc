// Pages cost the same at any depth, also where filters leave little of them: rows are counted, not time.
#include <algorithm>

#include "tests/integration/event/event_test.h"

namespace parley::event {
namespace {

using ::testing::Each;
using Order = data::EventQuery::Order;

constexpr int kEvents = 20000;
constexpr int kDeep = 10000;
constexpr int kPage = 50;

// How many rows of tables the connection has looked at, counted from some time on.
constexpr data::Statement kRowsSeen{"rows_seen", R"(
  select sum(coalesce(idx_tup_fetch, 0) + coalesce(seq_tup_read, 0))::int8 from pg_stat_xact_user_tables)"};

class ListCostTest : public EventTest {
 protected:
  // Twenty thousand events, ann's each second of them, with a slot but for a few, some agreed.
  void MakeEvents() {
    const std::string ann_id = ann.principal.user_id.ToString(), bob_id = bob.principal.user_id.ToString();
    database.Sql(absl::StrCat(R"(
      insert into parley.events (event_id, title, slots, state, revision, quorum, confirmed_by, time_zone, initiator_id,
                                 confirmed_ids, create_time, update_time, last_sequence, last_hash)
      select ('00000000-0000-7000-8000-' || lpad(to_hex(i), 12, '0'))::uuid, 'event ' || i,
             case when i % 100 = 0 then '{}'
                  else array[tstzrange('2030-01-01'::timestamptz + (i * 7919 % 20000) * interval '1 minute',
                                       '2030-01-01'::timestamptz + (i * 7919 % 20000 + 30) * interval '1 minute')] end,
             case when i % 4000 = 17 then 'AGREED' else 'OPEN' end, 1, 'ALL', 'UPDATE', 'UTC', ')",
                              ann_id, R"(', '{}',
             now(), now() + (i * 104729 % 20000) * interval '1 second', 1, ''
      from generate_series(1, )",
                              kEvents, ") i"));
    database.Sql(absl::StrCat(R"(
      insert into parley.event_parties (event_id, user_id, position, local_part, salt)
      select event_id, case when row_number() over (order by event_id) % 2 = 0 then ')",
                              ann_id, "'::uuid else '", bob_id, "'::uuid end, 0, 'x', '' from parley.events"));
    database.Sql("analyze parley.events, parley.event_parties, parley.users");
  }

  // What one page costs.
  struct Cost {
    int64_t rows;
    data::EventPage page;
  };
  static Cost CostOf(data::Pool& by, const data::EventQuery& query, const std::optional<data::EventCursor>& after,
                     int limit) {
    auto cost = data::Transact(by, absl::InfiniteFuture(), [&](data::Transaction& tx) -> absl::StatusOr<Cost> {
      Cost each;
      PARLEY_ASSIGN_OR_RETURN(const auto before, tx.Execute(kRowsSeen));
      PARLEY_ASSIGN_OR_RETURN(each.page, data::Events(tx).List(query, after, limit));
      PARLEY_ASSIGN_OR_RETURN(const auto seen, tx.Execute(kRowsSeen));
      each.rows = seen[0].GetInt(0) - before[0].GetInt(0);
      return each;
    });
    EXPECT_THAT(cost, Succeeds());
    return *std::move(cost);
  }

  // The cursor so many events into the list.
  std::optional<data::EventCursor> At(const data::EventQuery& query, int depth) {
    std::optional<data::EventCursor> cursor;
    for (int seen = 0; seen < depth; seen += 1000) cursor = CostOf(pool, query, cursor, 1000).page.next;
    return cursor;
  }

  // Compares the first page with one that so many events deep begins.
  void Check(const data::EventQuery& query, int depth, const std::string& what) {
    const auto deep = At(query, depth);
    ASSERT_TRUE(deep);
    // By a connection that is new, often enough that PostgreSQL may come to a generic plan; and by the one that has
    // read large pages before.
    data::Pool fresh(database.service_url(), 1);
    for (int i = 0; i < 9; ++i) {
      SCOPED_TRACE(absl::StrCat(what, i < 8 ? ", on a new connection" : ", after large pages"));
      data::Pool& by = i < 8 ? fresh : pool;
      const Cost first = CostOf(by, query, std::nullopt, kPage), later = CostOf(by, query, deep, kPage);
      ASSERT_EQ(first.page.events.size(), static_cast<size_t>(kPage));
      ASSERT_EQ(later.page.events.size(), static_cast<size_t>(kPage));
      EXPECT_NEAR(static_cast<double>(later.rows), static_cast<double>(first.rows), kPage);
      EXPECT_GE(first.rows, kPage) << "what is counted counts";
      EXPECT_LE(first.rows, kPage * 20);
      if (HasFailure()) return;
    }
  }
};

TEST_F(ListCostTest, APageCostsTheSameAtAnyDepth) {
  MakeEvents();
  for (const Order order : {Order::kCreateTime, Order::kUpdateTime, Order::kFirstSlot}) {
    for (const bool descending : {false, true}) {
      data::EventQuery query;
      query.order = order;
      query.descending = descending;
      Check(query, kDeep, absl::StrCat("order ", static_cast<int>(order), descending ? ", falling" : ", rising"));
    }
  }
}

TEST_F(ListCostTest, APartysPageCostsTheSameAtAnyDepth) {
  MakeEvents();
  for (const bool descending : {false, true}) {
    data::EventQuery query;
    query.party = ann.principal.user_id;
    query.descending = descending;
    Check(query, kDeep - 1000, absl::StrCat("a party's", descending ? ", falling" : ", rising"));
  }
}

TEST_F(ListCostTest, AFilterThatLeavesLittleEndsPagesEarlyAndFindsAll) {
  MakeEvents();
  v1::ListEventsRequest request;
  request.set_state(v1::Event::AGREED);
  request.set_page_size(2);
  for (const char* order : {"create_time", "update_time desc", "slots.start_time"}) {
    request.set_order_by(order);
    request.clear_page_token();
    std::vector<std::string> found;
    int pages = 0, empty = 0;
    do {
      v1::ListEventsResponse response;
      ASSERT_THAT(ListEvents(context, staff, request, response), Succeeds());
      for (const v1::Event& event : response.events()) {
        EXPECT_EQ(event.state(), v1::Event::AGREED);
        found.push_back(event.name());
      }
      ++pages;
      empty += response.events_size() == 0;
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    std::sort(found.begin(), found.end());
    EXPECT_EQ(found.size(), 5u) << order;
    EXPECT_EQ(std::unique(found.begin(), found.end()), found.end());
    EXPECT_GT(empty, 5) << "early-ending pages";
    EXPECT_LE(pages, kEvents / 1000 + 5);
  }
  data::EventQuery query;
  query.state = v1::Event::AGREED;
  query.descending = false;
  for (const auto& after : {std::optional<data::EventCursor>(), CostOf(pool, query, std::nullopt, 2).page.next}) {
    EXPECT_LE(CostOf(pool, query, after, 2).rows, 1100) << "no more than a thousand are looked at";
  }
}

TEST_F(ListCostTest, L4_ALogOfTenThousandEntriesCostsTheSameAtAnyDepth) {
  ASSERT_OK_AND_ASSIGN(const v1::Event event, Create(ann, Proposal()));
  const std::string id = IdOf(event).ToString();
  database.Sql(absl::StrCat(R"(
    insert into parley.log_entries (event_id, sequence, create_time, occurrence, effector_id, revision, slots, data,
                                    named, hash)
    select event_id, i, create_time, 'VIEW', effector_id, revision, slots, '', '', ''
    from parley.log_entries, generate_series(2, 10000) i where event_id = ')",
                            id, "'"));
  database.Sql("update parley.events set last_sequence = 10000");
  database.Sql("analyze parley.log_entries");
  auto cost = [&](int64_t after) {
    return *data::Transact(pool, absl::InfiniteFuture(), [&](data::Transaction& tx) -> absl::StatusOr<int64_t> {
      PARLEY_ASSIGN_OR_RETURN(const auto before, tx.Execute(kRowsSeen));
      PARLEY_ASSIGN_OR_RETURN(const auto entries, data::LogEntries(tx).List(IdOf(event), after, kPage));
      PARLEY_ASSIGN_OR_RETURN(const auto seen, tx.Execute(kRowsSeen));
      EXPECT_EQ(entries.size(), static_cast<size_t>(kPage));
      return seen[0].GetInt(0) - before[0].GetInt(0);
    });
  };
  for (int i = 0; i < 8; ++i) {
    EXPECT_LE(cost(0), kPage + 5);
    EXPECT_EQ(cost(0), cost(9900));
  }
  ASSERT_OK_AND_ASSIGN(const auto entries, Log(bob, event.name(), 1000));
  ASSERT_EQ(entries.size(), 10000u);
  for (size_t i = 0; i < entries.size(); ++i) ASSERT_EQ(entries[i].sequence(), static_cast<int64_t>(i + 1));
}

}  // namespace
}  // namespace parley::event
