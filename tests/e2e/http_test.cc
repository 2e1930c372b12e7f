// HTTP at the gateway: what the contracts have can be called, by the rules that hold for gRPC, and the link to
// unsubscribe. How clients of others get along is told by tests/clients/connect, the page by tests/browser.
#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <signal.h>

#include <future>
#include <nlohmann/json.hpp>
#include <regex>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "tests/e2e/e2e_test.h"
#include "tests/support/http_client.h"

namespace parley::e2e {
namespace {

using nlohmann::json;
using test::HttpAnswer;
using test::HttpRequest;

const std::string kUnknownKey = "parley_guest_" + std::string(40, '0');

// One message in its envelope.
std::string Enveloped(const std::string& message) {
  return absl::StrCat(std::string{0, 0, 0, 0, static_cast<char>(message.size())}, message);
}

// What the last envelope of a stream says.
json EndOf(const HttpAnswer& answer) {
  size_t at = 0;
  while (at + 5 <= answer.body.size()) {
    size_t size = 0;
    for (size_t i = 1; i < 5; ++i) size = size << 8 | static_cast<unsigned char>(answer.body[at + i]);
    if (answer.body[at] == 2) return json::parse(answer.body.substr(at + 5, size), nullptr, false);
    at += 5 + size;
  }
  return nullptr;
}

class HttpTest : public E2eTest {
 protected:
  static std::string Url(const std::string& path) { return absl::StrCat("http://", system->http_address(), path); }

  static HttpRequest Calling(const std::string& method, const std::string& key, const std::string& body = "{}") {
    HttpRequest request{Url("/" + method)};
    request.headers["content-type"] = "application/json";
    if (!key.empty()) request.headers["authorization"] = "Bearer " + key;
    request.body = body;
    return request;
  }
};

TEST_F(HttpTest, EveryMethodOfTheContractsCanBeCalled) {
  int methods = 0;
  for (const auto* file :
       {event::v1::ListEventsRequest::descriptor()->file(), event::v1::Checkpoint::descriptor()->file(),
        token::v1::GetUserRequest::descriptor()->file(), notification::v1::UnsubscribeRequest::descriptor()->file(),
        notification::v1::GetWebhookRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      for (int j = 0; j < file->service(i)->method_count(); ++j) {
        const auto& method = *file->service(i)->method(j);
        SCOPED_TRACE(method.full_name());
        ++methods;
        const std::string path = absl::StrCat(file->service(i)->full_name(), "/", method.name());
        const bool is_read =
            std::regex_match(method.name(), std::regex("(Get|List|Watch).*")) && method.name() != "GetEvent";
        EXPECT_EQ(method.options().idempotency_level() == google::protobuf::MethodOptions::NO_SIDE_EFFECTS, is_read);

        // Nobody asks for nothing: the service says so.
        HttpRequest call = Calling(path, "");
        if (method.server_streaming()) {
          call.headers["content-type"] = "application/connect+json";
          call.body = Enveloped("{}");
        }
        const HttpAnswer answer = test::Send(call);
        const json error =
            method.server_streaming() ? EndOf(answer)["error"] : json::parse(answer.body, nullptr, false);
        ASSERT_TRUE(error.is_object()) << answer.body;
        EXPECT_TRUE(error["code"] == "unauthenticated" || error["code"] == "invalid_argument") << error;
        const int status = error["code"] == "unauthenticated" ? 401 : 400;
        EXPECT_EQ(answer.status, method.server_streaming() ? 200 : status);

        call.headers["content-type"] = "application/grpc-web+proto";
        call.body = Enveloped("");
        EXPECT_TRUE(std::regex_search(test::Send(call).body, std::regex("grpc-status: (16|3)\r\n")));

        HttpRequest get{Url("/" + path + "?connect=v1&encoding=json&message=%7B%7D"), "GET"};
        EXPECT_EQ(test::Send(get).status == 405, !is_read || method.server_streaming());
      }
    }
  }
  EXPECT_GT(methods, 30);
}

TEST_F(HttpTest, WhatHasNoRouteCannotBeCalled) {
  for (const char* method :
       {"parley.internal.token.v1.CredentialService/CheckCredential", "parley.event.v1.EventService/NoSuchMethod",
        "grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", "example.Service/Get"}) {
    const HttpAnswer answer = test::Send(Calling(method, system->staff_key()));
    EXPECT_EQ(answer.status, 501) << method;
    EXPECT_EQ(json::parse(answer.body, nullptr, false)["code"], "unimplemented") << method;
  }
}

TEST_F(HttpTest, ErrorsHaveTheirDetailsAndTheCallIdJoinsTheLogs) {
  const std::string key = system->MakeMember("http.errors@example.com");
  const HttpAnswer answer = test::Send(Calling("parley.event.v1.EventService/ConfirmEvent", key));
  EXPECT_EQ(answer.status, 400);
  const json error = json::parse(answer.body, nullptr, false);
  const std::string call_id = answer.headers.at("parley-call-id");
  EXPECT_EQ(error["details"][0]["debug"]["metadata"]["call_id"], call_id);
  EXPECT_EQ(error["details"][1]["debug"]["fieldViolations"].size(), 2U);
  for (const char* process : {"gateway", "event"}) {
    EXPECT_TRUE(Eventually([&] { return system->CallLine(process, call_id).is_object(); })) << process;
  }
  // What does not get as far as a call is logged as well.
  HttpRequest bad = Calling("parley.event.v1.EventService/ConfirmEvent", key, "{\"nam\":1}");
  const HttpAnswer refused = test::Send(bad);
  EXPECT_THAT(refused.body, HasSubstr("nam is no field of the request"));
  EXPECT_TRUE(
      Eventually([&] { return system->CallLine("gateway", refused.headers.at("parley-call-id")).is_object(); }));
}

TEST_F(HttpTest, ASecondCredentialIsRefusedWhateverItIs) {
  const std::string key = system->MakeMember("http.doubles@example.com");
  HttpRequest call = Calling("parley.event.v1.EventService/ListEvents", key);
  EXPECT_EQ(test::Send(call).status, 200);
  // A name in other letters is another entry for our client, and the same header for the server.
  for (const std::string& second : {"Bearer " + key, std::string("Bearer \xff")}) {
    call.headers["Authorization"] = second;
    EXPECT_EQ(test::Send(call).status, 401);
  }
}

TEST_F(HttpTest, WhatGrpcWouldNotSendDoesNotReachIt) {
  HttpRequest call = Calling("parley.event.v1.EventService/ListEvents", system->staff_key());
  // No binary one for gRPC, whatever it looks like.
  call.headers["-bin"] = "AA";
  call.headers["x-text"] = "\xff";
  EXPECT_EQ(test::Send(call).status, 200);
  call.body = "{\"" + std::string(1000000, 'a') + "\":1}";
  EXPECT_EQ(test::Send(call).status, 400);
}

TEST(HttpLimits, WhatIsNoCallIsCountedToo) {
  const TestDatabase database;
  System system({database.service_url(), {{"gateway", {{"burst", "10"}, {"calls-per-second", "1"}}}}});
  system.Start();
  bool is_limited = false;
  for (int i = 0; i < 100 && !is_limited; ++i) {
    HttpRequest bad{absl::StrCat("http://", system.http_address(), "/", kEventService, "/ListEvents")};
    bad.headers = {{"content-type", "application/json"}};
    bad.body = "no JSON";
    is_limited = test::Send(bad).status == 429;
  }
  EXPECT_TRUE(is_limited);
}

TEST_F(HttpTest, UnsubscribingTakesAPost) {
  const std::string guest = "clicks@example.org";
  Client member = system->As(system->MakeMember("http.asks@example.com"));
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({guest}, {SlotIn(2)})));
  ASSERT_THAT(member.Call(&NotificationStub::NotifyParties, Notice(event, {guest})), Succeeds());
  ASSERT_TRUE(Eventually([&] { return system->Mails(guest).size() == 1; }));
  const std::string mail = system->Mails(guest).at(0);
  std::smatch link;
  ASSERT_TRUE(
      std::regex_search(mail, link, std::regex("List-Unsubscribe: <https://parley\\.example(/unsubscribe/[^>]+)>")));
  EXPECT_THAT(mail, HasSubstr("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
  const std::string path = link[1];

  Client staff = system->As(system->staff_key());
  notification::v1::ListSuppressionsRequest listing;
  listing.set_address(guest);
  const auto suppressions = [&] {
    return staff.Call(&NotificationStub::ListSuppressions, listing)->suppressions_size();
  };
  const HttpAnswer page = test::Send({Url(path), "GET"});
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(page.headers.at("content-type"), HasSubstr("text/html"));
  EXPECT_THAT(page.body, HasSubstr("<form method=\"post\""));
  EXPECT_EQ(page.headers.at("referrer-policy"), "no-referrer");
  EXPECT_EQ(test::Send({Url(path), "HEAD"}).status, 200);
  EXPECT_EQ(test::Send({Url(path), "PUT"}).status, 405);
  EXPECT_EQ(suppressions(), 0);

  // As a mail program does it, at once and without cookies (RFC 8058).
  HttpRequest click{Url(path)};
  click.headers["content-type"] = "application/x-www-form-urlencoded";
  click.body = "List-Unsubscribe=One-Click";
  EXPECT_EQ(test::Send(click).status, 200);
  EXPECT_EQ(suppressions(), 1);
  EXPECT_EQ(test::Send(click).status, 200);
  click.url.back() = click.url.back() == '0' ? '1' : '0';
  EXPECT_EQ(test::Send(click).status, 404);
  // That the token is in no log is looked at in the end, as of all that was mailed.
}

TEST_F(HttpTest, T6_FetchingTheLinkChangesNothing) {
  const std::string guest = "scanned@example.org";
  Client member = system->As(system->MakeMember("http.links@example.com"));
  ASSERT_OK_AND_ASSIGN(const Event event, member.Call(&Events::CreateEvent, Proposal({guest}, {SlotIn(2)})));
  ASSERT_THAT(member.Call(&NotificationStub::NotifyParties, Notice(event, {guest})), Succeeds());
  ASSERT_TRUE(Eventually([&] { return system->Mails(guest).size() == 1; }));
  const std::string mail = system->Mails(guest).at(0);
  std::smatch link;
  ASSERT_TRUE(std::regex_search(mail, link, std::regex("https://parley\\.example(/events/[0-9a-f-]+)#parley_guest_")));
  for (const char* method : {"GET", "HEAD", "GET"}) EXPECT_EQ(test::Send({Url(link[1]), method}).status, 200);
  // Its creation, and the notification.
  EXPECT_EQ(LogOf(member, event.name()).size(), 2U);
}

TEST_F(HttpTest, ThePageIsTheSameForAllAndMayDoLittle) {
  const HttpAnswer page = test::Send({Url("/events/01901644-0000-7000-8000-000000000001"), "GET"});
  EXPECT_EQ(page.status, 200);
  EXPECT_EQ(page.body, test::Send({Url("/"), "GET"}).body);
  EXPECT_THAT(page.headers.at("content-security-policy"), HasSubstr("default-src 'none'"));
  EXPECT_EQ(test::Send({Url("/"), "GET", {{"if-none-match", page.headers.at("etag")}}}).status, 304);
  const HttpAnswer compressed = test::Send({Url("/"), "GET", {{"accept-encoding", "gzip"}}});
  EXPECT_EQ(compressed.headers.at("content-encoding"), "gzip");
  EXPECT_LT(compressed.body.size(), page.body.size());
  EXPECT_TRUE(compressed.body.starts_with("\x1f\x8b"));
  EXPECT_EQ(test::Send({Url("/page/style.css"), "GET"}).headers.at("content-type"), "text/css; charset=utf-8");
  for (const char* path :
       {"/page/", "/page/nothing.js", "/page/../main.cc", "/page/unsubscribe.html", "/events/a/b", "/x"}) {
    EXPECT_EQ(test::Send({Url(path), "GET"}).status, 404) << path;
  }
  EXPECT_EQ(test::Send({Url("/"), "POST"}).status, 405);
}

TEST(HttpLimits, BadKeysAreCountedByTheAddressTheyComeFrom) {
  const TestDatabase database;
  System system({database.service_url(), {{"gateway", {{"bad-keys-burst", "5"}, {"bad-keys-per-second", "1"}}}}});
  system.Start();
  const auto guess = [&](const std::string& from, int number) {
    HttpRequest request{absl::StrCat("http://", system.http_address(), "/parley.event.v1.EventService/ListEvents")};
    request.headers = {{"content-type", "application/json"},
                       {"authorization", absl::StrCat("Bearer ", kUnknownKey, number)},
                       // Nobody is believed who says where he is.
                       {"parley-client", absl::StrCat("10.0.0.", number)}};
    request.body = "{}";
    request.from = from;
    return test::Send(request).status;
  };
  int number = 0;
  bool is_limited = false;
  for (; number < 100 && !is_limited; ++number) is_limited = guess("127.0.0.2", number) == 429;
  EXPECT_TRUE(is_limited);
  EXPECT_EQ(guess("127.0.0.3", ++number), 401);
  // Nor by gRPC, where it says nothing at all: more often than 127.0.0.2 has got back meanwhile.
  for (const char digit : {'1', '2', '3', '4'}) {
    EXPECT_THAT(system.As("parley_api_" + std::string(40, digit), {{"parley-client", "127.0.0.2"}})
                    .Call(&Events::ListEvents, {}),
                Fails(absl::StatusCode::kUnauthenticated, Reason::CREDENTIAL_INVALID));
  }
  EXPECT_THAT(system.End({}), IsEmpty());
}

TEST(HttpAway, UnsubscribingSaysThatItDidNotWork) {
  const TestDatabase database;
  System system({database.service_url()});
  system.Start();
  system.Kill("notification");
  const HttpAnswer page =
      test::Send({absl::StrCat("http://", system.http_address(), "/unsubscribe/parley_unsubscribe_0")});
  EXPECT_EQ(page.status, 503);
  EXPECT_THAT(page.body, HasSubstr("That did not work yet"));
  EXPECT_THAT(page.body, HasSubstr("<form method=\"post\""));
}

TEST(HttpEnd, StreamsAreEndedAndCallsFinished) {
  const TestDatabase database;
  System system({database.service_url()});
  system.Start();
  const std::string watcher = system.MakeMember("http.watches@example.com");
  const std::string reader = system.MakeMember("http.reads@example.com");
  ASSERT_OK_AND_ASSIGN(const Event event, system.As(watcher).Call(&Events::CreateEvent,
                                                                  Proposal({"http.reads@example.com"}, {SlotIn(2)})));
  const std::string named = absl::StrCat("{\"name\":\"", event.name(), "\"}");
  const std::string service = absl::StrCat("http://", system.http_address(), "/", kEventService);
  const auto send = [](const HttpRequest& request) {
    return std::async(std::launch::async, [request] { return test::Send(request); });
  };
  const auto has_line = [&](const char* process, const char* what, const char* text) {
    const auto lines = system.Log(process);
    return std::ranges::any_of(lines, [&](const auto& line) { return line.contains(what) && line[what] == text; });
  };

  absl::Notification has_caught_up;
  HttpRequest watch{service + "/WatchEvent", "POST", {{"content-type", "application/connect+json"}}, Enveloped(named)};
  watch.headers["authorization"] = "Bearer " + watcher;
  watch.on_body = [&](const std::string& body) {
    if (body.ends_with("{\"sequence\":\"1\"}") && !has_caught_up.HasBeenNotified()) has_caught_up.Notify();
  };
  auto watched = send(watch);
  ASSERT_TRUE(has_caught_up.WaitForNotificationWithTimeout(test::kPatience));
  // A call that takes its time: the gateway has it once it has asked whose key that is.
  system.process("event").Signal(SIGSTOP);
  const auto questions = [&] {
    const auto lines = system.Log("token");
    return std::ranges::count_if(lines, [](const auto& line) {
      return line.contains("method") && line["method"] == "/parley.internal.token.v1.CredentialService/CheckCredential";
    });
  };
  const auto asked = questions();
  HttpRequest read{service + "/GetEvent", "POST", {{"content-type", "application/json"}}, named};
  read.headers["authorization"] = "Bearer " + reader;
  auto was_read = send(read);
  ASSERT_TRUE(Eventually([&] { return questions() > asked; }));
  system.process("gateway").Signal(SIGTERM);
  ASSERT_TRUE(Eventually([&] { return has_line("gateway", "message", "stopping"); }));
  system.process("event").Signal(SIGCONT);

  EXPECT_EQ(was_read.get().status, 200);
  const json error = EndOf(watched.get())["error"];
  EXPECT_EQ(error["code"], "unavailable");
  EXPECT_EQ(error["details"][0]["debug"]["reason"], "UNAVAILABLE") << error;
  EXPECT_EQ(system.process("gateway").Wait(), 0);
}

}  // namespace
}  // namespace parley::e2e
