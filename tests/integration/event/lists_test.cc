// ListEvents: what it leaves out, in which order it shows the rest, and its page tokens.
#include <algorithm>

#include "absl/strings/escaping.h"
#include "tests/integration/event/event_test.h"

namespace parley::event {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr int64_t kHour = 3600;

class ListsTest : public EventTest {
 protected:
  // Titles, so that a failure says which.
  std::vector<std::string> List(const rpc::Call& call, v1::ListEventsRequest request, int page_size = 2) {
    std::vector<std::string> titles;
    request.set_page_size(page_size);
    do {
      const auto page = Page(call, request);
      EXPECT_THAT(page, Succeeds());
      if (!page.ok()) break;
      EXPECT_LE(page->events_size(), page_size);
      for (const v1::Event& event : page->events()) titles.push_back(event.title());
      request.set_page_token(page->next_page_token());
    } while (!request.page_token().empty());
    return titles;
  }

  absl::StatusOr<v1::ListEventsResponse> Page(const rpc::Call& call, const v1::ListEventsRequest& request) {
    v1::ListEventsResponse response;
    PARLEY_RETURN_IF_ERROR(ListEvents(context, call, request, response));
    return response;
  }

  // With slots of an hour that begin so many hours after AddSlot's first.
  v1::Event Make(const rpc::Call& call, const std::string& title, const std::vector<int>& slots,
                 const std::vector<std::string>& parties = {}) {
    v1::CreateEventRequest request;
    request.mutable_event()->set_title(title);
    for (const int hours : slots) AddSlot(*request.mutable_event(), hours);
    for (const std::string& party : parties) request.mutable_event()->add_parties()->set_address(party);
    return *Create(call, request);
  }

  // From `start` to `end` in hours after AddSlot's first slot; no bound where it is negative.
  static v1::ListEventsRequest Overlapping(double start, double end) {
    v1::ListEventsRequest request;
    auto& span = *request.mutable_overlapping();
    if (start >= 0) span.mutable_start_time()->set_seconds(1900000000 + static_cast<int64_t>(start * kHour));
    if (end >= 0) span.mutable_end_time()->set_seconds(1900000000 + static_cast<int64_t>(end * kHour));
    return request;
  }
};

TEST_F(ListsTest, FiltersByState) {
  Make(ann, "open", {1});
  const v1::Event agreed = Make(ann, "agreed", {1});
  ASSERT_THAT(Confirm(ann, agreed), Succeeds());
  const v1::Event abandoned = Make(ann, "abandoned", {});
  ASSERT_THAT(Confirm(ann, abandoned), Succeeds());
  const v1::Event superseded = Make(ann, "superseded", {1});
  v1::ReopenEventRequest reopen;
  reopen.set_name(superseded.name());
  reopen.set_etag("1");
  ASSERT_OK_AND_ASSIGN(const v1::Event successor, Reopen(ann, reopen));
  ASSERT_THAT(Retitle(ann, successor, "successor"), Succeeds());
  const v1::Event deleted = Make(ann, "deleted", {1});
  ASSERT_THAT(Delete(staff, deleted), Succeeds());
  Make(eve, "another's", {1});

  auto in_state = [&](const rpc::Call& call, v1::Event::State state) {
    v1::ListEventsRequest request;
    request.set_state(state);
    return List(call, request);
  };
  EXPECT_THAT(in_state(ann, v1::Event::OPEN), ElementsAre("successor", "open"));
  EXPECT_THAT(in_state(staff, v1::Event::OPEN), ElementsAre("another's", "successor", "open"));
  EXPECT_THAT(in_state(ann, v1::Event::AGREED), ElementsAre("agreed"));
  EXPECT_THAT(in_state(staff, v1::Event::ABANDONED), ElementsAre("abandoned"));
  EXPECT_THAT(in_state(ann, v1::Event::SUPERSEDED), ElementsAre("superseded"));
  EXPECT_THAT(in_state(ann, v1::Event::STATE_UNSPECIFIED),
              ElementsAre("successor", "superseded", "abandoned", "agreed", "open"));
  v1::ListEventsRequest request;
  request.set_state(static_cast<v1::Event::State>(17));
  EXPECT_THAT(Page(ann, request), kInvalid);
}

TEST_F(ListsTest, FiltersByParty) {
  Make(ann, "alone", {});
  Make(ann, "with bob", {}, {"bob@example.org"});
  Make(bob, "bob alone", {});
  Make(staff, "bob and eve", {}, {"Bob@Example.org", "eve@example.org"});
  Make(eve, "all", {}, {"ann@example.org", "bob@example.org", "guest@example.net"});
  auto of_party = [&](const rpc::Call& call, const std::string& party) {
    v1::ListEventsRequest request;
    request.set_party(party);
    return List(call, request);
  };
  EXPECT_THAT(of_party(ann, "BOB@example.ORG"), ElementsAre("all", "with bob")) << "U3";
  EXPECT_THAT(of_party(ann, "ann@example.org"), ElementsAre("all", "with bob", "alone"));
  EXPECT_THAT(of_party(staff, "bob@example.org"), ElementsAre("all", "bob and eve", "bob alone", "with bob"));
  EXPECT_THAT(of_party(staff, "guest@example.net"), ElementsAre("all"));
  EXPECT_THAT(of_party(staff, "staff@example.org"), IsEmpty());
  EXPECT_THAT(of_party(staff, "unknown@example.net"), IsEmpty());
  EXPECT_THAT(of_party(ann, "unknown@example.net"), IsEmpty());
  EXPECT_THAT(of_party(eve, "bob@example.org"), ElementsAre("all", "bob and eve"));
  EXPECT_EQ(database.Sql("select count(*) from parley.users where local_part = 'unknown'"), "0");
  v1::ListEventsRequest request;
  request.set_party("nonsense");
  EXPECT_THAT(Page(staff, request), kInvalid);
}

TEST_F(ListsTest, FiltersBySlotsThatOverlap) {
  Make(ann, "none", {});
  Make(ann, "0-1", {0});
  Make(ann, "0-1, 5-6", {0, 5});
  Make(ann, "3-4", {3});
  auto overlapping = [&](double start, double end) { return List(ann, Overlapping(start, end)); };
  EXPECT_THAT(overlapping(1, 3), IsEmpty()) << "what only touches does not overlap";
  EXPECT_THAT(overlapping(0.99, 3), ElementsAre("0-1, 5-6", "0-1"));
  EXPECT_THAT(overlapping(1, 3.01), ElementsAre("3-4"));
  EXPECT_THAT(overlapping(0.25, 0.5), ElementsAre("0-1, 5-6", "0-1")) << "within a slot";
  EXPECT_THAT(overlapping(2, 9), ElementsAre("3-4", "0-1, 5-6")) << "around a slot, also one that is not the first";
  EXPECT_THAT(overlapping(4, -1), ElementsAre("0-1, 5-6")) << "without an end";
  EXPECT_THAT(overlapping(6, -1), IsEmpty());
  EXPECT_THAT(overlapping(-1, 3), ElementsAre("0-1, 5-6", "0-1")) << "without a beginning";
  EXPECT_THAT(overlapping(-1, 0), IsEmpty());
  EXPECT_THAT(overlapping(-1, -1), ElementsAre("3-4", "0-1, 5-6", "0-1")) << "any slot at all";
  EXPECT_THAT(Page(ann, Overlapping(3, 3)), kInvalid);
  EXPECT_THAT(Page(ann, Overlapping(3, 2)), kInvalid);
  auto together = Overlapping(0, 9);
  together.set_state(v1::Event::AGREED);
  EXPECT_THAT(List(ann, together), IsEmpty());
  together.set_state(v1::Event::OPEN);
  together.set_party("ann@example.org");
  EXPECT_THAT(List(ann, together).size(), 3u);
}

TEST_F(ListsTest, EachOrderBothWaysOverTiesAndWithoutSlots) {
  const std::vector<std::vector<int>> slots{{5}, {}, {1, 9}, {5}, {1}, {}, {3}, {5, 7}};
  for (size_t i = 0; i < slots.size(); ++i) Make(ann, absl::StrCat("event ", i), slots[i]);
  Make(bob, "bob's", {5});
  ASSERT_THAT(Delete(staff, Make(ann, "deleted", {5})), Succeeds());
  database.Sql("update parley.events set update_time = '2030-01-01' where title in ('event 1', 'event 4', 'event 6')");
  database.Sql("update parley.events set update_time = '2029-01-01' where title in ('event 7', 'bob''s')");

  v1::ListEventsRequest request;
  request.set_order_by("create_time");
  auto check = [&](const rpc::Call& call, const std::string& order, const std::vector<std::string>& expected) {
    for (const char* direction : {"", " desc"}) {
      auto in_order = expected;
      if (*direction != 0) std::reverse(in_order.begin(), in_order.end());
      request.set_order_by(order + direction);
      for (const int page_size : {1, 2, 3, 100}) {
        EXPECT_EQ(List(call, request, page_size), in_order) << request.order_by() << ", " << page_size << " a page";
      }
    }
  };
  const std::vector<std::string> by_create_time{"event 0", "event 1", "event 2", "event 3", "event 4",
                                                "event 5", "event 6", "event 7", "bob's"};
  const std::vector<std::string> by_update_time{"event 0", "event 2", "event 3", "event 5", "event 7",
                                                "bob's",   "event 1", "event 4", "event 6"};
  const std::vector<std::string> by_first_slot{"event 2", "event 4", "event 6", "event 0", "event 3",
                                               "event 7", "bob's",   "event 1", "event 5"};
  auto of_ann = [](std::vector<std::string> titles) {
    titles.erase(std::find(titles.begin(), titles.end(), "bob's"));
    return titles;
  };
  check(staff, "create_time", by_create_time);
  check(staff, "update_time", by_update_time);
  check(staff, "slots.start_time", by_first_slot);
  check(ann, "create_time", of_ann(by_create_time));
  check(ann, "update_time", of_ann(by_update_time));
  check(ann, "slots.start_time", of_ann(by_first_slot));
  // Together with filters.
  request = Overlapping(5, 6);
  check(ann, "slots.start_time", {"event 0", "event 3", "event 7"});
  check(staff, "update_time", {"event 0", "event 3", "event 7", "bob's"});
  request = v1::ListEventsRequest();
  request.set_party("ann@example.org");
  check(staff, "update_time", of_ann(by_update_time));
  check(staff, "slots.start_time", of_ann(by_first_slot));

  for (const char* wrong : {"title", "desc", "create_time asc", "create_time  desc", "create_time,update_time"}) {
    request.set_order_by(wrong);
    EXPECT_THAT(Page(ann, request), kInvalid) << wrong;
  }
}

TEST_F(ListsTest, PageTokensAreBoundToTheirArguments) {
  for (int i = 0; i < 5; ++i) Make(ann, absl::StrCat("event ", i), {i});
  for (int i = 0; i < 3; ++i) Make(bob, absl::StrCat("bob's ", i), {i});
  auto request = Overlapping(0, 9);
  request.set_party("ann@example.org");
  request.set_state(v1::Event::OPEN);
  request.set_order_by("slots.start_time");
  request.set_page_size(2);
  ASSERT_OK_AND_ASSIGN(const auto first, Page(ann, request));
  request.set_page_token(first.next_page_token());
  ASSERT_FALSE(request.page_token().empty());
  auto changed = [&](const std::function<void(v1::ListEventsRequest&)>& change) {
    auto other = request;
    change(other);
    return Page(ann, other);
  };
  EXPECT_THAT(changed([](auto& r) { r.set_state(v1::Event::AGREED); }), kBadCursor);
  EXPECT_THAT(changed([](auto& r) { r.clear_state(); }), kBadCursor);
  EXPECT_THAT(changed([](auto& r) { r.set_party("bob@example.org"); }), kBadCursor);
  EXPECT_THAT(changed([](auto& r) { r.clear_party(); }), kBadCursor);
  EXPECT_THAT(changed([](auto& r) { r.clear_overlapping(); }), kBadCursor);
  EXPECT_THAT(changed([](auto& r) { r.mutable_overlapping()->clear_end_time(); }), kBadCursor);
  EXPECT_THAT(changed([](auto& r) { r.mutable_overlapping()->mutable_start_time()->set_nanos(1000); }), kBadCursor);
  EXPECT_THAT(changed([](auto& r) { r.set_order_by("slots.start_time desc"); }), kBadCursor);
  EXPECT_THAT(changed([](auto& r) { r.set_order_by("update_time"); }), kBadCursor);
  EXPECT_THAT(changed([](auto& r) { r.clear_order_by(); }), kBadCursor);
  EXPECT_THAT(changed([](auto& r) { r.set_page_size(-1); }), kInvalid);

  ASSERT_OK_AND_ASSIGN(const auto rest, changed([](auto& r) { r.set_page_size(100); }));
  EXPECT_EQ(rest.events_size(), 3) << "the size may change";
  EXPECT_EQ(rest.events(0).title(), "event 2");
  EXPECT_THAT(rest.next_page_token(), IsEmpty());

  // The log's tokens are of another list, and of one event.
  ASSERT_THAT(Get(ann, rest.events(0).name()), Succeeds());
  v1::ListLogEntriesRequest log;
  log.set_parent(rest.events(0).name());
  log.set_page_size(1);
  v1::ListLogEntriesResponse entries;
  ASSERT_THAT(Alone(event::ListLogEntries, ann, log, entries), Succeeds());
  const std::string of_log = entries.next_page_token();
  ASSERT_FALSE(of_log.empty());
  EXPECT_THAT(changed([&](auto& r) { r.set_page_token(of_log); }), kBadCursor);
  log.set_page_token(request.page_token());
  EXPECT_THAT(Alone(event::ListLogEntries, ann, log, entries), kBadCursor);
  log.set_page_token(of_log);
  EXPECT_THAT(Alone(event::ListLogEntries, ann, log, entries), Succeeds());
  log.set_parent(rest.events(1).name());
  EXPECT_THAT(Alone(event::ListLogEntries, ann, log, entries), kBadCursor);
}

TEST_F(ListsTest, PageTokensAreNoPermissionAndCannotBeForged) {
  for (int i = 0; i < 4; ++i) Make(i < 2 ? bob : ann, absl::StrCat("event ", i), {});
  v1::ListEventsRequest request;
  request.set_page_size(1);
  ASSERT_OK_AND_ASSIGN(const auto first, Page(ann, request));
  const std::string token = first.next_page_token();
  request.set_page_token(token);
  request.set_page_size(100);
  ASSERT_OK_AND_ASSIGN(const auto of_bob, Page(bob, request));
  ASSERT_EQ(of_bob.events_size(), 2) << "in bob's hands it shows what bob may see";
  EXPECT_EQ(of_bob.events(0).title(), "event 1");
  EXPECT_THAT(Page(GuestOf(ann, first.events(0)), request), kHidden);
  EXPECT_THAT(Page(rpc::Call(), request), kNoCredential);

  std::string bytes;
  ASSERT_TRUE(absl::WebSafeBase64Unescape(token, &bytes));
  auto with = [&](const std::string& forged) {
    request.set_page_token(absl::WebSafeBase64Escape(forged));
    return Page(ann, request);
  };
  EXPECT_THAT(with(bytes), Succeeds());
  for (size_t i = 0; i < bytes.size(); ++i) {
    for (const char flip : {'\x01', '\x80'}) {
      std::string forged = bytes;
      forged[i] = static_cast<char>(forged[i] ^ flip);
      EXPECT_THAT(with(forged), kBadCursor) << i;
    }
    if (i == 0) continue;  // none at all asks for the first page
    EXPECT_THAT(with(bytes.substr(0, i)), kBadCursor) << i;
  }
  EXPECT_THAT(with(bytes + "0"), kBadCursor);
  EXPECT_THAT(with(std::string(32, '\0') + bytes.substr(32)), kBadCursor);
  request.set_page_token("!");
  EXPECT_THAT(Page(ann, request), kBadCursor);
}

TEST_F(ListsTest, DeletedOnesAreLeftOut) {
  std::vector<v1::Event> events;
  for (int i = 0; i < 5; ++i) events.push_back(Make(ann, absl::StrCat("event ", i), {i}, {"bob@example.org"}));
  v1::ListEventsRequest request;
  request.set_page_size(1);
  ASSERT_OK_AND_ASSIGN(const auto first, Page(ann, request));
  request.set_page_token(first.next_page_token());
  for (const size_t gone : {4, 3, 1}) ASSERT_THAT(Delete(staff, events[gone]), Succeeds());
  ASSERT_OK_AND_ASSIGN(const auto second, Page(ann, request));
  ASSERT_EQ(second.events_size(), 1) << "the token names a place, whether or not its event is there";
  EXPECT_EQ(second.events(0).title(), "event 2");
  for (const char* order : {"create_time", "update_time", "slots.start_time"}) {
    v1::ListEventsRequest all;
    all.set_order_by(order);
    EXPECT_THAT(List(ann, all), ElementsAre("event 0", "event 2")) << order;
    EXPECT_THAT(List(staff, all), ElementsAre("event 0", "event 2")) << order;
    all.set_party("bob@example.org");
    EXPECT_THAT(List(ann, all), UnorderedElementsAre("event 0", "event 2")) << order;
  }
}

}  // namespace
}  // namespace parley::event
