// Two of each: replicas found by DNS, which take calls in turn; one that ends, or is killed, holds up nobody.
#include <atomic>
#include <thread>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "common/client/watcher.h"
#include "tests/e2e/e2e_test.h"
#include "tests/support/dns_server.h"

namespace parley::e2e {
namespace {

// Members who make calls of all kinds one after the other, until they are told to stop.
class Callers {
 public:
  explicit Callers(const std::vector<Client>& members) {
    for (const Client& member : members) threads_.emplace_back([this, member] { Run(member); });
  }
  ~Callers() { Stop(); }
  // Answers with how many calls a second there were.
  double Stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
    return static_cast<double>(count_) / absl::ToDoubleSeconds(absl::Now() - start_);
  }
  // Waits until so many more were answered.
  bool Await(int more) {
    const int present = count_;
    return Eventually([&] { return count_ >= present + more; });
  }
  // Those that failed, and began after this time.
  std::vector<std::string> FailedSince(absl::Time time) {
    absl::MutexLock lock(&mutex_);
    std::vector<std::string> failed;
    for (const auto& [begin, what] : failed_) {
      if (begin > time) failed.push_back(absl::StrCat(what, " at ", absl::FormatTime(begin)));
    }
    return failed;
  }

 private:
  template <class Make>
  auto Call(const std::string& method, const Make& make) {
    const absl::Time begin = absl::Now();
    auto answer = make();
    absl::MutexLock lock(&mutex_);
    if (!answer.ok()) failed_.emplace_back(begin, absl::StrCat(method, ": ", answer.status().ToString()));
    ++count_;
    return answer;
  }
  void Run(Client member) {
    token::v1::GetUserRequest self;
    self.set_name("users/self");
    while (!stopping_) {
      const auto created = Call("CreateEvent", [&] {
        return member.Call(&Events::CreateEvent, Proposal({"guest@example.org"}, {SlotIn(2), SlotIn(3)}));
      });
      if (!created.ok()) continue;
      std::ignore =
          Call("UpdateEvent", [&] { return member.Call(&Events::UpdateEvent, Narrowed(*created, {SlotIn(4)})); });
      std::ignore = Call("GetEvent", [&] { return member.Call(&Events::GetEvent, Named(created->name())); });
      std::ignore = Call("GetUser", [&] { return member.Call(&Tokens::GetUser, self); });
    }
  }
  const absl::Time start_ = absl::Now();
  std::atomic<bool> stopping_ = false;
  std::atomic<int> count_ = 0;
  absl::Mutex mutex_;
  std::vector<std::pair<absl::Time, std::string>> failed_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

// Each and its other replica.
const std::vector<std::pair<std::string, std::string>> kPairs{
    {"event", "event2"}, {"event2", "event"}, {"token", "token2"}, {"token2", "token"}};

class ReplicasTest : public E2eTest {
 protected:
  static void SetUpTestSuite() {
    const int token_port = test::FreePort(), event_port = test::FreePort();
    dns = std::make_unique<test::DnsServer>(NamesOf(2));
    const std::string tokens = dns->UrlOf("token.test", token_port), events = dns->UrlOf("event.test", event_port);
    std::map<std::string, std::map<std::string, std::string>> flags{
        // Short, so that connections are made anew under load as well.
        {"token", {{"connection-age", "2s"}}},
        {"event", {{"connection-age", "2s"}, {"token-address", tokens}}},
        {"notification", {{"token-address", tokens}, {"event-address", events}}},
        {"gateway",
         {{"token-address", tokens},
          {"calls-per-second", "1000000"},
          {"burst", "1000000"},
          {"routes", absl::StrCat("parley.event.=", events, ",parley.token.=", tokens)}}}};
    for (int i = 1; i <= 3; ++i) {
      flags[NameOf("token", i)]["listen"] = absl::StrCat("127.0.0.", i + 1, ":", token_port);
      flags[NameOf("event", i)]["listen"] = absl::StrCat("127.0.0.", i + 1, ":", event_port);
    }
    StartSystem(flags);
    system->Start("token2");
    system->Start("event2");
  }
  static void TearDownTestSuite() {
    E2eTest::TearDownTestSuite();
    dns.reset();
  }

  static std::string NameOf(const std::string& kind, int number) {
    return number == 1 ? kind : absl::StrCat(kind, number);
  }
  // So many replicas of each service.
  static test::DnsServer::Names NamesOf(int replicas) {
    test::DnsServer::Names names;
    for (int i = 1; i <= replicas; ++i) {
      for (const char* name : {"token.test", "event.test"}) names[name].push_back(absl::StrCat("127.0.0.", i + 1));
    }
    return names;
  }

  // How many calls a replica has answered.
  static int64_t CallsOf(const std::string& process) {
    const auto lines = system->Log(process);
    return std::ranges::count_if(lines, [](const auto& line) { return line["message"] == "call"; });
  }
  // Waits until it has answered more than that.
  static bool AwaitCalls(const std::string& process, int64_t more_than) {
    return Eventually([&] { return CallsOf(process) > more_than; });
  }

  // Waits until it takes its share of the calls beside the other replica: by one of the gateway's two connections it
  // would take a quarter.
  static bool AwaitShare(Callers& callers, const std::string& process, const std::string& other) {
    return Eventually([&] {
      const int64_t mine = CallsOf(process), others = CallsOf(other);
      if (!callers.Await(100)) return false;
      const int64_t more = CallsOf(process) - mine;
      return more >= 0.4 * static_cast<double>(more + CallsOf(other) - others);
    });
  }

  static std::vector<Client> Members(int count) {
    std::vector<Client> members;
    for (int i = 0; i < count; ++i) {
      members.push_back(Member(absl::StrCat("member-", ++last_member, "@example.com")));
    }
    return members;
  }

  static inline std::unique_ptr<test::DnsServer> dns;
  static inline int last_member = 0;
};

TEST_F(ReplicasTest, ATermSignalToOneUnderLoadFailsNoCall) {
  Callers callers(Members(4));
  for (const auto& [name, other] : kPairs) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(AwaitShare(callers, name, other));
    const absl::Time start = absl::Now();
    EXPECT_EQ(system->Stop(name), 0);
    EXPECT_LT(absl::Now() - start, absl::Seconds(10));
    EXPECT_TRUE(callers.Await(100));
    EXPECT_TRUE(system->Serves("gateway")) << "the other one serves";
    system->Start(name);
    ASSERT_TRUE(AwaitShare(callers, name, other)) << "it is used again";
  }
  EXPECT_GE(callers.Stop(), 50);
  EXPECT_THAT(callers.FailedSince(absl::InfinitePast()), IsEmpty());
}

TEST_F(ReplicasTest, WhenOneIsKilledTheOtherTakesAllCallsAtOnce) {
  Callers callers(Members(4));
  for (const auto& [name, other] : kPairs) {
    SCOPED_TRACE(name);
    ASSERT_TRUE(AwaitShare(callers, name, other));
    const absl::Time before = absl::Now();
    system->Kill(name);
    const absl::Time killed = absl::Now();
    // What was under way may have failed, or what was on its way.
    EXPECT_TRUE(Eventually([&] {
      EXPECT_TRUE(system->Serves("gateway"));
      return absl::Now() > killed + absl::Seconds(1) || ::testing::Test::HasFailure();
    }));
    EXPECT_TRUE(callers.Await(100));
    EXPECT_THAT(callers.FailedSince(killed + absl::Milliseconds(100)), IsEmpty());
    for (const std::string& failed : callers.FailedSince(before)) EXPECT_THAT(failed, HasSubstr("UNAVAILABLE"));
    system->Start(name);
    ASSERT_TRUE(AwaitShare(callers, name, other)) << "it is used again";
  }
}

TEST_F(ReplicasTest, WatchersOfOneThatEndsGoOnWithTheOther) {
  constexpr int kWatchers = 10;
  auto members = Members(1);
  Client& member = members.front();
  ASSERT_OK_AND_ASSIGN(Event event, member.Call(&Events::CreateEvent, Proposal({}, {SlotIn(2)})));
  event::v1::WatchEventRequest from;
  from.set_name(event.name());
  std::vector<std::unique_ptr<client::EventWatcher>> watchers;
  for (int i = 0; i < kWatchers; ++i) {
    watchers.push_back(std::make_unique<client::EventWatcher>(
        member.channel(),
        [&member](grpc::ClientContext& context) {
          for (const auto& [key, value] : member.sent()) context.AddMetadata(key, value);
        },
        from));
  }
  // Each is told the entry that was written last, and was told none twice and all before it.
  const auto expect_told = [&](int64_t sequence) {
    for (const auto& watcher : watchers) {
      const auto step = watcher->Next();
      ASSERT_THAT(step, Succeeds());
      ASSERT_TRUE(step->has_value());
      EXPECT_EQ((*step)->log_entry().sequence(), sequence);
    }
  };
  int64_t sequence = 0;
  expect_told(++sequence);
  for (const char* name : {"event", "event2"}) {
    SCOPED_TRACE(name);
    const auto ended = [&] {
      const auto lines = system->Log(name);
      return std::ranges::count_if(lines, [](const auto& line) {
        return line["message"] == "call" && line["method"] == "/parley.event.v1.EventService/WatchEvent";
      });
    };
    const int64_t before = ended();
    EXPECT_EQ(system->Stop(name), 0);
    EXPECT_GE(ended() - before, 1) << "some of them watched here";
    ASSERT_OK_AND_ASSIGN(
        event, member.Call(&Events::UpdateEvent, Narrowed(event, {SlotIn(3), SlotIn(3 + static_cast<int>(sequence))})));
    expect_told(++sequence);
    system->Start(name);
  }
}

TEST_F(ReplicasTest, OneThatIsAddedIsFound) {
  Callers callers(Members(2));
  system->Start("event3");
  system->Start("token3");
  EXPECT_TRUE(callers.Await(100));
  EXPECT_EQ(CallsOf("event3") + CallsOf("token3"), 0);
  dns->Change(NamesOf(3));
  EXPECT_TRUE(AwaitCalls("event3", 0));
  EXPECT_TRUE(AwaitCalls("token3", 0));
  // And one that is taken away is not missed.
  dns->Change(NamesOf(2));
  EXPECT_EQ(system->Stop("event3"), 0);
  EXPECT_EQ(system->Stop("token3"), 0);
  EXPECT_TRUE(callers.Await(100));
  callers.Stop();
  EXPECT_THAT(callers.FailedSince(absl::InfinitePast()), IsEmpty());
}

}  // namespace
}  // namespace parley::e2e
