// Services and PostgreSQL are killed while many negotiate and many follow: what each is told is what watches promise.
// Ten minutes in tests/run faults.
#include <cstdlib>
#include <iostream>
#include <random>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "tests/e2e/e2e_test.h"
#include "tests/e2e/watch_followers.h"
#include "tests/e2e/watch_load.h"
#include "tests/support/cluster.h"
#include "tests/support/watch_validators.h"

namespace parley::e2e {
namespace {

using event::v1::WatchEventRequest;
using event::v1::WatchEventsRequest;
using test::Follower;

constexpr char kDatabase[] = "the database";
const std::vector<std::string> kVictims = {"event", "token", "notification", "gateway", kDatabase};
const std::vector<std::string> kMembers = {"ann@example.com", "bob@example.com", "cas@example.com"};
constexpr char kGuest[] = "guest@example.org";
// More than one for each member, so that they meet in one another's events.
constexpr int kNegotiators = 9;
constexpr double kCallsPerSecond = 50;

// A number that is set in the environment, or this one.
int64_t Setting(const char* variable, int64_t otherwise) {
  const char* given = std::getenv(variable);
  return given == nullptr ? otherwise : std::atoll(given);
}

WatchEventRequest Of(const Event& event) {
  WatchEventRequest request;
  request.set_name(event.name());
  return request;
}

WatchEventsRequest All(const std::set<LogEntry::Occurrence>& occurrences = {}) {
  WatchEventsRequest request;
  for (const auto occurrence : occurrences) request.add_occurrences(occurrence);
  return request;
}

WatchEventsRequest OnlyNew() {
  WatchEventsRequest request;
  request.set_only_new(true);
  return request;
}

class WatchKills : public E2eTest {
 protected:
  static void SetUpTestSuite() {
    cluster = std::make_unique<test::Cluster>();
    const std::string many = "1000000";
    system = std::make_unique<System>(
        test::SystemSettings{cluster->Url("PARLEY_DATABASE_URL"),
                             {{"event", {{"views-per-minute", many}, {"watch-progress", "1s"}}},
                              {"gateway", {{"calls-per-second", many}, {"burst", many}}},
                              {"notification",
                               {{"max-daily-notifications", many},
                                {"max-daily-recipients", many},
                                {"max-daily-mails", many},
                                {"mails-per-second", "1000"}}}}});
    system->Start();
  }
  static void TearDownTestSuite() {
    std::set<std::string> addresses(kMembers.begin(), kMembers.end());
    addresses.insert(kGuest);
    EXPECT_THAT(system->End(addresses), IsEmpty());
    system.reset();
    cluster.reset();
  }

  WatchKills() : seed_(static_cast<uint32_t>(Setting("PARLEY_TEST_SEED", std::random_device()()))), random_(seed_) {
    std::cout << "PARLEY_TEST_SEED=" << seed_ << std::endl;
    for (const std::string& address : kMembers) members_.push_back(Member(address));
    for (int i = 0; i < 2; ++i) {
      const auto event = members_[0].Call(&Events::CreateEvent,
                                          Proposal({kMembers[1], kMembers[2], kGuest}, {SlotIn(400), SlotIn(401)}));
      EXPECT_THAT(event, Succeeds());
      shared_.push_back(*event);
    }
    const auto doomed = members_[0].Call(&Events::CreateEvent, Proposal({kMembers[1], kGuest}, {SlotIn(1), SlotIn(2)}));
    EXPECT_THAT(doomed, Succeeds());
    doomed_ = *doomed;
    guest_ = std::make_unique<Client>(system->As(GuestKey(members_[0], shared_[0], kGuest)));
  }

  int Random(int end) { return std::uniform_int_distribution(0, end - 1)(random_); }

  // Begins to follow, as this client.
  void Follow(const Client& client, const WatchEventRequest& request, Way way) {
    Follower follower{.name = NameOf(way), .event = request.name()};
    of_events_.push_back(
        {client, request.name(), std::make_unique<FollowingEvent>(client, follower, request, way, steps_, random_())});
  }
  // `party`: whose events the client may see; all where it is empty.
  void Follow(const Client& client, const std::string& party, const WatchEventsRequest& request, Way way) {
    Follower follower{.name = NameOf(way), .party = party};
    for (int i = 0; i < request.occurrences_size(); ++i) follower.occurrences.insert(request.occurrences(i));
    of_all_.push_back(
        {client, party, std::make_unique<FollowingLog>(client, follower, request, way, steps_, random_())});
  }
  std::string NameOf(Way way) const {
    return absl::StrCat(way == Way::kHelper ? "helper " : "raw ", of_events_.size() + of_all_.size());
  }

  void FollowFromTheBeginning() {
    Follow(Staff(), "", All(), Way::kHelper);
    Follow(Staff(), "", All(), Way::kRaw);
    Follow(Staff(), "", OnlyNew(), Way::kHelper);
    Follow(Staff(), "", All({LogEntry::UPDATE}), Way::kRaw);
    Follow(members_[0], kMembers[0], All(), Way::kHelper);
    Follow(members_[0], kMembers[0], OnlyNew(), Way::kRaw);
    Follow(members_[1], kMembers[1], All(), Way::kRaw);
    Follow(members_[2], kMembers[2], All({LogEntry::NOTIFY, LogEntry::VIEW}), Way::kHelper);
    for (const Event& event : shared_) {
      Follow(members_[0], Of(event), Way::kHelper);
      Follow(members_[1], Of(event), Way::kRaw);
    }
    Follow(*guest_, Of(shared_[0]), Way::kHelper);
    Follow(*guest_, Of(shared_[0]), Way::kRaw);
    Follow(members_[0], Of(doomed_), Way::kHelper);
    Follow(members_[1], Of(doomed_), Way::kRaw);
  }
  void FollowLate() {
    Follow(Staff(), "", All(), Way::kRaw);
    Follow(Staff(), "", OnlyNew(), Way::kRaw);
    Follow(members_[1], kMembers[1], OnlyNew(), Way::kHelper);
    Follow(members_[2], kMembers[2], All(), Way::kHelper);
    Follow(members_[2], Of(shared_[1]), Way::kHelper);
    Follow(*guest_, Of(shared_[0]), Way::kRaw);
  }

  // Kills one, or ends it, and starts it again.
  void KillAndStart(const std::string& victim) {
    ++kills_[victim];
    if (victim == kDatabase) {
      cluster->Kill();
      cluster->Start();
      return;
    }
    if (kills_[victim] % 2 == 0) {
      EXPECT_EQ(system->Stop(victim), 0) << victim;
    } else {
      system->Kill(victim);
    }
    // A client on this machine may have got the port of the gateway meanwhile, for the time of a connection.
    system->Launch(victim);
    EXPECT_TRUE(Eventually([&] {
      if (system->process(victim).Running()) return system->Serves(victim);
      system->Launch(victim);
      return false;
    })) << victim;
  }

  // Reads what has happened, when nothing happens any more.
  void ReadTruth() {
    ASSERT_TRUE(
        Eventually([] { return cluster->Sql("select count(*)::text from parley.unsequenced_entries") == "0"; }));
    const std::string order = cluster->Sql(
        "select string_agg('events/' || event_id || '/logEntries/' || sequence, ' ' order by leaf_index) from "
        "parley.log_leaves");
    history_.order = absl::StrSplit(order, ' ');
    Client staff = Staff();
    for (const std::string& entry : history_.order) {
      const std::string event = entry.substr(0, entry.find("/logEntries/"));
      auto [log, is_new] = history_.logs.try_emplace(event);
      if (!is_new) continue;
      event::v1::ListLogEntriesRequest request;
      request.set_parent(event);
      request.set_page_size(1000);
      do {
        ASSERT_OK_AND_ASSIGN(const auto page, staff.Call(&Events::ListLogEntries, request));
        log->second.insert(log->second.end(), page.log_entries().begin(), page.log_entries().end());
        request.set_page_token(page.next_page_token());
      } while (!request.page_token().empty());
    }
    size_t entries = 0;
    for (const auto& [event, log] : history_.logs) entries += log.size();
    EXPECT_EQ(history_.order.size(), entries);
  }

  // Whether all were told all, and none has ended without need.
  bool HasBeenToldAll(const Following& following, size_t entries) {
    return following.end().has_value() || following.position() == static_cast<int64_t>(entries);
  }
  bool AllWereToldAll() {
    return std::ranges::all_of(of_events_,
                               [&](const auto& each) {
                                 const Follower follower = each.following->follower();
                                 return HasBeenToldAll(*each.following, history_.logs[follower.event].size());
                               }) &&
           std::ranges::all_of(
               of_all_, [&](const auto& each) { return HasBeenToldAll(*each.following, history_.order.size()); });
  }

  // Goes on anew from some of the places at which the clients have been, without breaks.
  void Resume() {
    for (size_t i = 0, size = of_events_.size(); i < size; ++i) {
      const auto resumptions = of_events_[i].following->resumptions();
      if (!resumptions.empty()) {
        Follow(of_events_[i].client, resumptions[random_() % resumptions.size()], Way::kHelper);
      }
    }
    for (size_t i = 0, size = of_all_.size(); i < size; ++i) {
      const auto resumptions = of_all_[i].following->resumptions();
      if (!resumptions.empty()) {
        Follow(of_all_[i].client, of_all_[i].party, resumptions[random_() % resumptions.size()], Way::kHelper);
      }
    }
  }

  struct OfEvent {
    Client client;
    std::string event;
    std::unique_ptr<FollowingEvent> following;
  };
  struct OfAll {
    Client client;
    std::string party;
    std::unique_ptr<FollowingLog> following;
  };

  static inline std::unique_ptr<test::Cluster> cluster;
  const uint32_t seed_;
  std::mt19937 random_;
  std::vector<Client> members_;
  std::vector<Event> shared_;
  Event doomed_;
  std::unique_ptr<Client> guest_;
  std::map<std::string, int> kills_;
  ToldSteps steps_;
  std::vector<OfEvent> of_events_;
  std::vector<OfAll> of_all_;
  test::WatchHistory history_;
};

TEST_F(WatchKills, EachIsToldEachEntryOnceInOrderWithItsEventWhateverIsKilled) {
  const absl::Duration time = absl::Seconds(Setting("PARLEY_TEST_SECONDS", 20));
  FollowFromTheBeginning();
  std::vector<Client> negotiators;
  for (int i = 0; i < kNegotiators; ++i) negotiators.push_back(members_[i % members_.size()]);
  const absl::Time start = absl::Now();
  WatchLoad load(Staff(), negotiators, kMembers, shared_, seed_);
  bool is_late = false;
  while (absl::Now() < start + time) {
    ASSERT_TRUE(load.Await(20 + Random(100)));
    KillAndStart(kVictims[Random(static_cast<int>(kVictims.size()))]);
    if (is_late || absl::Now() < start + time / 2) continue;
    is_late = true;
    FollowLate();
    ASSERT_THAT(SureCaller(Staff()).Call(&Events::DeleteEvent, Deletion(doomed_)), Succeeds());
  }
  ASSERT_TRUE(load.Await(20));
  const absl::Duration loaded = absl::Now() - start;
  const double calls_per_second = static_cast<double>(load.calls()) / absl::ToDoubleSeconds(loaded);
  load.Stop();
  // It writes on logs by itself.
  EXPECT_EQ(system->Stop("notification"), 0);

  ASSERT_NO_FATAL_FAILURE(ReadTruth());
  // There may be much to tell yet.
  EXPECT_TRUE(Eventually([this] { return AllWereToldAll(); }, absl::Minutes(2)));
  Resume();
  // A long log is told again.
  EXPECT_TRUE(Eventually([this] { return AllWereToldAll(); }, absl::Minutes(2)));

  std::map<std::string, int> breaks;
  const auto close = [&](Following& following, bool ends) {
    following.Stop();
    const Follower follower = history_.followers.emplace_back(following.follower());
    const auto end = following.end();
    EXPECT_EQ(end.has_value(), ends) << follower.name << ": " << end.value_or(absl::OkStatus());
    EXPECT_THAT(end.value_or(absl::OkStatus()), Succeeds()) << follower.name;
    for (const auto& [what, count] : following.breaks()) breaks[what] += count;
  };
  for (const auto& each : of_events_) close(*each.following, each.event == doomed_.name());
  for (const auto& each : of_all_) close(*each.following, false);
  history_.acknowledged = load.acknowledged();
  history_.acknowledged.push_back({.event = doomed_.name(), .deleted = true});

  const test::WatchValidators validators(history_);
  EXPECT_THAT(validators.NotOrdered(), IsEmpty());
  EXPECT_THAT(validators.NotUnique(), IsEmpty());
  EXPECT_THAT(validators.NotAtomic(), IsEmpty());
  EXPECT_THAT(validators.NotReliable(), IsEmpty());
  EXPECT_THAT(validators.NotResumable(), IsEmpty());
  EXPECT_THAT(validators.NotDue(), IsEmpty());
  EXPECT_THAT(validators.NotAsClaimed(), IsEmpty());
  EXPECT_THAT(load.unexplained(), IsEmpty());
  // What was sent again was not done again.
  std::set<std::string> events = load.made();
  for (const auto& each : {shared_[0], shared_[1], doomed_}) events.insert(each.name());
  EXPECT_EQ(history_.logs.size(), events.size());
  EXPECT_GE(calls_per_second, kCallsPerSecond);
  EXPECT_GT(breaks["broken"], 0);
  EXPECT_GT(breaks["UNAVAILABLE"], 0);
  EXPECT_GT(breaks["by the helper"], 0);
  // There was something of each kind to be told.
  std::map<std::string, int> kinds;
  for (const auto& [event, log] : history_.logs) {
    for (const LogEntry& entry : log) {
      ++kinds[LogEntry::Occurrence_Name(entry.occurrence())];
      if (entry.data().deleted()) ++kinds["deletions"];
      if (!entry.data().successor().empty()) ++kinds["reopenings"];
      if (entry.data().state() == Event::AGREED && entry.data().closed()) ++kinds["agreements"];
    }
  }
  for (const char* kind : {"UPDATE", "NOTIFY", "VIEW", "deletions", "reopenings", "agreements"}) {
    EXPECT_GT(kinds[kind], 0) << kind;
  }

  size_t told = 0;
  for (const Follower& follower : history_.followers) {
    for (const auto& stream : follower.streams) told += stream.told.size();
  }
  const auto counts = [](const auto& map) {
    return absl::StrJoin(
        map, ", ", [](std::string* out, const auto& each) { absl::StrAppend(out, each.first, " ", each.second); });
  };
  std::cout << absl::FormatDuration(absl::Trunc(loaded, absl::Seconds(1))) << ", " << load.calls() << " calls ("
            << static_cast<int>(calls_per_second) << "/s), " << history_.order.size() << " entries of "
            << history_.logs.size() << " events (" << counts(kinds) << "), " << history_.followers.size()
            << " followers told " << told << " messages; kills: " << counts(kills_)
            << "; streams opened again: " << counts(breaks) << std::endl;
}

}  // namespace
}  // namespace parley::e2e
