// Calendars as others read them: by tests/support/read_calendar.py, whose parser is not ours.
#include "services/notification/mail/calendar.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "services/notification/mail/mail.h"

namespace parley::notification {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Event = event::v1::Event;
using Method = CalendarEntry::Method;

absl::Time At(const std::string& text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, &error)) << error;
  return time;
}

class CalendarTest : public ::testing::Test {
 protected:
  CalendarTest() {
    std::string folder = std::filesystem::temp_directory_path() / "parley-calendar-XXXXXX";
    folder_ = mkdtemp(folder.data());
    event_.id = *Uuid::Parse("01901644-0000-7000-8000-000000000001");
    event_.title = "Picnic";
    event_.time_zone = "Europe/Berlin";
    event_.slots = {{At("2026-11-23T09:00:00Z"), absl::Hours(1)}};
  }
  ~CalendarTest() override { std::filesystem::remove_all(folder_); }

  // A mail of the event as it stands, with what it does to the calendar, arrives.
  void Arrives(std::optional<Method> method) {
    Mail mail;
    mail.notification_id = Uuid::TimeOrdered();
    mail.from = {"parley", "parley.example"};
    mail.to = to_;
    mail.sender = {"ann", "example.org"};
    mail.event = event_;
    mail.date = At("2026-11-22T13:00:00Z");
    mail.key = Mail::Key{"parley_guest_0123456789abcdef0123456789abcdef01234567", mail.date + absl::Hours(120)};
    mail.unsubscribe_token = "parley_unsubscribe_00";
    mail.public_address = "https://parley.example";
    if (method) {
      const auto slot = event_.slots.size() == 1 ? std::optional(event_.slots[0]) : std::nullopt;
      mail.calendar = CalendarEntry{*method, event_.id, CalendarSequenceOf(event_), event_.title, slot, mail.from,
                                    mail.to, mail.date};
    }
    const auto message = ComposeMail(mail);
    ASSERT_TRUE(message.ok()) << message.status();
    files_.push_back(absl::StrCat(folder_, "/", files_.size(), ".eml"));
    std::ofstream(files_.back()) << *message;
  }
  void Arrives() { Arrives(CalendarMethodOf(event_)); }

  // What all mails so far have made of the recipient's calendar.
  nlohmann::json Read() {
    std::string command = "/usr/bin/python3 -I " PARLEY_READ_CALENDAR;
    for (const std::string& file : files_) command += " " + file;
    FILE* output = popen((command + " 2>&1").c_str(), "r");
    std::string text;
    char buffer[4096];
    while (const size_t size = fread(buffer, 1, sizeof(buffer), output)) text.append(buffer, size);
    EXPECT_EQ(pclose(output), 0) << text;
    return nlohmann::json::parse(text, nullptr, false);
  }

  std::string folder_;
  std::vector<std::string> files_;
  data::Event event_;
  Address to_{"Bob.Smith", "example.com"};
};

TEST_F(CalendarTest, N7_ATentativeRequestSaysAllThatACalendarNeeds) {
  Arrives();
  const auto mail = Read()["mails"][0];
  EXPECT_EQ(mail["method"], "REQUEST");
  EXPECT_EQ(mail["status"], "TENTATIVE");
  EXPECT_EQ(mail["uid"], "01901644-0000-7000-8000-000000000001");
  EXPECT_EQ(mail["sequence"], 2);
  EXPECT_EQ(mail["summary"], "Picnic");
  EXPECT_EQ(mail["start"], "2026-11-23T09:00:00+0000");
  EXPECT_EQ(mail["end"], "2026-11-23T10:00:00+0000");
  EXPECT_EQ(mail["stamp"], "2026-11-22T13:00:00+0000");
  EXPECT_EQ(mail["organizer"], "mailto:parley@parley.example");
  EXPECT_EQ(mail["attendees"],
            nlohmann::json::parse(R"([{"address": "mailto:Bob.Smith@example.com", "rsvp": "FALSE"}])"));
}

TEST_F(CalendarTest, N7_ReadInTurnWhatShouldBeLeftIsLeft) {
  const auto left = [this] { return Read()["calendar"]; };
  // Several slots: nothing yet.
  event_.slots.push_back({At("2026-11-24T09:00:00Z"), absl::Hours(1)});
  Arrives(std::nullopt);
  EXPECT_TRUE(left().empty());
  // Narrowed to one.
  event_.slots.pop_back();
  ++event_.revision;
  Arrives();
  ASSERT_EQ(left().size(), 1u);
  EXPECT_EQ(left()[0]["status"], "TENTATIVE");
  // Another one in its place.
  event_.slots = {{At("2026-11-25T14:00:00Z"), absl::Hours(2)}};
  ++event_.revision;
  Arrives();
  ASSERT_EQ(left().size(), 1u);
  EXPECT_EQ(left()[0]["start"], "2026-11-25T14:00:00+0000");
  // Several again: undone.
  event_.slots.push_back({At("2026-11-26T09:00:00Z"), absl::Hours(1)});
  ++event_.revision;
  Arrives();
  EXPECT_TRUE(left().empty());
  // Agreed.
  event_.slots = {{At("2026-11-26T09:00:00Z"), absl::Hours(1)}};
  event_.state = Event::AGREED;
  event_.revision += 2;
  Arrives();
  ASSERT_EQ(left().size(), 1u);
  EXPECT_EQ(left()[0]["status"], "CONFIRMED");
  EXPECT_EQ(left()[0]["start"], "2026-11-26T09:00:00+0000");
  // A mail from before that comes late changes nothing.
  std::swap(files_[files_.size() - 1], files_[files_.size() - 2]);
  ASSERT_EQ(left().size(), 1u);
  EXPECT_EQ(left()[0]["status"], "CONFIRMED");
  std::swap(files_[files_.size() - 1], files_[files_.size() - 2]);
  // Reopened, which does not change the revision of what was agreed.
  event_.successor_id = Uuid::TimeOrdered();
  Arrives();
  EXPECT_TRUE(left().empty());
  EXPECT_EQ(Read()["mails"].back()["method"], "CANCEL");
  EXPECT_EQ(Read()["mails"].back()["status"], "CANCELLED");
}

TEST_F(CalendarTest, N7_TheSequenceRisesWithEachStep) {
  int64_t last = -1;
  const auto rises = [&] {
    const int64_t sequence = CalendarSequenceOf(event_);
    const bool higher = sequence > last;
    last = sequence;
    return higher;
  };
  EXPECT_TRUE(rises());
  event_.slots.clear();
  ++event_.revision;
  EXPECT_TRUE(rises());
  event_.slots = {{At("2026-11-23T09:00:00Z"), absl::Hours(1)}};
  ++event_.revision;
  EXPECT_TRUE(rises());
  event_.state = Event::AGREED;
  ++event_.revision;
  EXPECT_TRUE(rises());
  event_.successor_id = Uuid::TimeOrdered();
  EXPECT_TRUE(rises());
}

TEST_F(CalendarTest, N7_WhatACalendarShouldShow) {
  EXPECT_EQ(CalendarMethodOf(event_), Method::kTentative);
  data::Event two = event_;
  two.slots.push_back({At("2026-11-24T09:00:00Z"), absl::Hours(1)});
  EXPECT_EQ(CalendarMethodOf(two), Method::kCancel);
  EXPECT_FALSE(IsEnded(two));
  data::Event none = event_;
  none.slots.clear();
  EXPECT_EQ(CalendarMethodOf(none), Method::kCancel);
  data::Event agreed = event_;
  agreed.state = Event::AGREED;
  EXPECT_EQ(CalendarMethodOf(agreed), Method::kAgreed);
  EXPECT_FALSE(IsEnded(agreed));
  for (const auto end : {+[](data::Event& event) { event.delete_time = absl::Now(); },
                         +[](data::Event& event) { event.successor_id = Uuid::TimeOrdered(); },
                         +[](data::Event& event) { event.state = Event::ABANDONED; },
                         +[](data::Event& event) { event.state = Event::SUPERSEDED; }}) {
    data::Event ended = event_;
    end(ended);
    EXPECT_TRUE(IsEnded(ended));
    EXPECT_EQ(CalendarMethodOf(ended), Method::kCancel);
  }
}

TEST_F(CalendarTest, N7_OverTheWeeksWhenClocksChange) {
  // 02:30 in Berlin on the day when the clocks go back comes twice: it is the instant that counts.
  for (const auto& [start, end] : {std::pair("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z"),
                                   std::pair("2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"),
                                   std::pair("2027-03-28T00:30:00Z", "2027-03-28T01:30:00Z")}) {
    files_.clear();
    event_.slots = {{At(start), absl::Hours(1)}};
    Arrives();
    const auto mail = Read()["mails"][0];
    EXPECT_EQ(mail["start"], std::string(start).substr(0, 19) + "+0000");
    EXPECT_EQ(mail["end"], std::string(end).substr(0, 19) + "+0000");
  }
}

TEST_F(CalendarTest, TimesAreWholeSecondsAroundTheSlot) {
  for (const auto& [start, duration, end] :
       {std::tuple("2026-11-23T09:00:00.9Z", absl::Milliseconds(50), "2026-11-23T09:00:01+0000"),
        std::tuple("2026-11-23T09:00:00.9Z", absl::Seconds(1), "2026-11-23T09:00:02+0000"),
        std::tuple("2026-11-23T09:00:00Z", absl::Microseconds(1), "2026-11-23T09:00:01+0000"),
        std::tuple("2026-11-23T09:00:00Z", absl::Seconds(1), "2026-11-23T09:00:01+0000")}) {
    files_.clear();
    event_.slots = {{At(start), duration}};
    Arrives();
    const auto mail = Read()["mails"][0];
    EXPECT_EQ(mail["start"], "2026-11-23T09:00:00+0000");
    EXPECT_EQ(mail["end"], end);
  }
}

TEST_F(CalendarTest, CarriesAnyTitle) {
  std::string emoji;
  for (int i = 0; i < 256; ++i) emoji += "🎉";
  for (const std::string& title :
       {std::string("a,b;c:d\\e\"f'g"), emoji, std::string("Grüße, 会議 — " + std::string(200, 'x'))}) {
    files_.clear();
    event_.title = title;
    Arrives();
    EXPECT_EQ(Read()["mails"][0]["summary"], title);
  }
  // python3-icalendar takes an escaped backslash before an n for a line break: looked at as it is (RFC 5545, 3.3.11).
  const CalendarEntry entry{Method::kAgreed,
                            event_.id,
                            4,
                            "\\n is no line break",
                            event_.slots[0],
                            {"parley", "parley.example"},
                            {"bob", "example.com"},
                            At("2026-11-22T13:00:00Z")};
  EXPECT_THAT(ComposeCalendar(entry), HasSubstr("SUMMARY:\\\\n is no line break\r\n"));
}

TEST_F(CalendarTest, HoldsNoKeyAndNoLink) {
  Arrives();
  const std::string text = Read()["mails"][0]["text"];
  EXPECT_THAT(text, HasSubstr("SUMMARY:Picnic\r\n"));
  for (const char* secret : {"parley_guest", "parley_unsubscribe", "http", "parley.example/"}) {
    EXPECT_THAT(text, Not(HasSubstr(secret)));
  }
}

TEST_F(CalendarTest, AddressesAreUris) {
  to_ = {"a?b%41&c=d#e+f", "example.com"};
  Arrives();
  EXPECT_EQ(Read()["mails"][0]["attendees"][0]["address"], "mailto:a%3Fb%2541%26c%3Dd%23e+f@example.com");
}

}  // namespace
}  // namespace parley::notification
