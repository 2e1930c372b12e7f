// What breaks heals by itself, and callers are told meanwhile.
#include <atomic>
#include <thread>

#include "absl/synchronization/mutex.h"
#include "tests/e2e/e2e_test.h"
#include "tests/support/cluster.h"

namespace parley::e2e {
namespace {

TEST(FaultsTest, WhenTheDatabaseIsKilledCallersAreToldAndAllHealsWhenItReturns) {
  test::Cluster cluster;
  System system({cluster.Url("PARLEY_DATABASE_URL")});
  system.Start();
  Client member = system.As(system.MakeMember("member@example.com"));
  ASSERT_OK_AND_ASSIGN(const Event event,
                       member.Call(&Events::CreateEvent, Proposal({"guest@example.org"}, {SlotIn(2)})));
  std::map<std::string, pid_t> pids;
  for (const char* name : {"token", "event", "notification", "gateway"}) pids[name] = system.process(name).pid();

  cluster.Kill();
  EXPECT_THAT(member.Call(&Events::GetEvent, Named(event.name())), IsUnavailable());
  EXPECT_THAT(member.Call(&Events::CreateEvent, Proposal({}, {})), IsUnavailable());
  EXPECT_THAT(member.Call(&NotificationStub::NotifyParties, Notice(event, {"guest@example.org"})), IsUnavailable());
  for (const char* name : {"token", "event", "notification", "gateway"}) {
    EXPECT_TRUE(Eventually([&] { return !system.Serves(name); })) << name;
  }

  cluster.Start();
  for (const char* name : {"token", "event", "notification", "gateway"}) {
    EXPECT_TRUE(Eventually([&] { return system.Serves(name); })) << name;
    EXPECT_EQ(system.process(name).pid(), pids[name]);
    EXPECT_TRUE(system.process(name).Running());
  }
  EXPECT_THAT(member.Call(&Events::GetEvent, Named(event.name())), Succeeds());
  EXPECT_THAT(member.Call(&NotificationStub::NotifyParties, Notice(event, {"guest@example.org"})), Succeeds());
  EXPECT_TRUE(Eventually([&] { return !system.Mails("guest@example.org").empty(); }));
  EXPECT_THAT(system.End({"guest@example.org"}), IsEmpty());
}

using ServiceFaultsTest = E2eTest;

TEST_F(ServiceFaultsTest, WhenAServiceIsKilledCallersAreToldAndAllHealsWhenItReturns) {
  Client member = system->As(system->MakeMember("member@example.com"));
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({}, {SlotIn(2)})));

  system->Kill("event");
  const auto away = member.Call(&Events::GetEvent, Named(event.name()));
  EXPECT_THAT(away, IsUnavailable());
  EXPECT_EQ(InfoOf(away.status(), "call_id"), member.call_id());
  EXPECT_TRUE(Eventually([] { return !system->Serves("gateway"); }));
  EXPECT_FALSE(system->Serves("gateway", kEventService));
  EXPECT_TRUE(system->Serves("gateway", kTokenService));
  // The others go on.
  token::v1::GetUserRequest self;
  self.set_name("users/self");
  EXPECT_THAT(member.Call(&Tokens::GetUser, self), Succeeds());

  system->Start("event");
  EXPECT_TRUE(Eventually([] { return system->Serves("gateway"); }));
  EXPECT_THAT(member.Call(&Events::GetEvent, Named(event.name())), Succeeds());

  // Nobody can say who calls while the token service is away.
  system->Kill("token");
  EXPECT_TRUE(Eventually([&] { return !member.Call(&Events::GetEvent, Named(event.name())).ok(); }));
  EXPECT_THAT(member.Call(&Events::GetEvent, Named(event.name())), IsUnavailable());
  system->Start("token");
  EXPECT_TRUE(Eventually([&] { return member.Call(&Events::GetEvent, Named(event.name())).ok(); }));
}

// Makes events until it is told to stop, and remembers which were acknowledged.
class Callers {
 public:
  explicit Callers(const std::vector<Client>& clients) {
    for (const Client& client : clients) threads_.emplace_back([this, client] { Run(client); });
  }
  ~Callers() { Stop(); }
  void Stop() {
    stopping_ = true;
    for (std::thread& thread : threads_) {
      if (thread.joinable()) thread.join();
    }
  }
  std::vector<std::string> Acknowledged() {
    absl::MutexLock lock(&mutex_);
    return names_;
  }
  // Waits until so many more are acknowledged.
  bool Await(size_t more) {
    const size_t present = Acknowledged().size();
    return Eventually([&] { return Acknowledged().size() >= present + more; });
  }

 private:
  void Run(Client client) {
    const auto request = Proposal({"party@example.org"}, {SlotIn(2)});
    while (!stopping_) {
      const auto event = client.Call(&Events::CreateEvent, request);
      absl::MutexLock lock(&mutex_);
      if (event.ok()) names_.push_back(event->name());
    }
  }

  std::atomic<bool> stopping_ = false;
  absl::Mutex mutex_;
  std::vector<std::string> names_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

TEST_F(ServiceFaultsTest, ATermSignalUnderLoadEndsEachWithZeroAndLosesNothingAcknowledged) {
  std::vector<Client> clients;
  for (const char* address : {"a@example.com", "b@example.com", "c@example.com", "d@example.com"}) {
    clients.push_back(system->As(system->MakeMember(address)));
  }
  Callers callers(clients);
  for (const char* name : {"event", "token", "notification", "gateway"}) {
    SCOPED_TRACE(name);
    EXPECT_TRUE(callers.Await(20));
    EXPECT_EQ(system->Stop(name), 0);
    system->Start(name);
  }
  EXPECT_TRUE(callers.Await(20));
  callers.Stop();

  // Each is there, and whole.
  Client staff = system->As(system->staff_key());
  const auto names = callers.Acknowledged();
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
  int lost = 0;
  for (const std::string& name : names) {
    const auto event = staff.Call(&Events::GetEvent, Named(name));
    if (!event.ok() || event->parties_size() != 2 || event->slots_size() != 1) ++lost;
  }
  EXPECT_EQ(lost, 0) << "of " << names.size();
  EXPECT_EQ(database->Sql("select count(*)::text from parley.events e where not exists (select from "
                          "parley.log_entries l where l.event_id = e.event_id and l.sequence = 1)"),
            "0");
}

}  // namespace
}  // namespace parley::e2e
