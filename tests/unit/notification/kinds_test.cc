#include "services/notification/webhooks/kinds.h"

#include <gmock/gmock.h>

namespace parley::notification {
namespace {

using event::v1::Event;
using event::v1::LogEntry;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using v1::Webhook;

LogEntry::Data Closed(Event::State state) {
  LogEntry::Data data;
  data.set_closed(true);
  data.set_state(state);
  return data;
}

std::vector<Kind> KindsOf(const LogEntry::Data& data, LogEntry::Occurrence occurrence = LogEntry::UPDATE) {
  LogEntry entry;
  entry.set_occurrence(occurrence);
  *entry.mutable_data() = data;
  return notification::KindsOf(entry);
}

TEST(KindsTest, TheFirstEntryCreatesAndUpdatesNothing) {
  LogEntry::Data data;
  data.mutable_opened()->set_title("Picnic");
  data.set_state(Event::OPEN);
  data.set_slots_changed(true);
  data.set_predecessor("events/another");
  EXPECT_THAT(KindsOf(data), ElementsAre(Webhook::CREATED));
}

TEST(KindsTest, TitleTimeZoneAndSlotsUpdate) {
  LogEntry::Data title, time_zone, slots;
  title.set_title("Picnic");
  time_zone.set_time_zone("UTC");
  slots.set_slots_changed(true);
  for (const auto& data : {title, time_zone, slots}) EXPECT_THAT(KindsOf(data), ElementsAre(Webhook::UPDATED));
}

TEST(KindsTest, AStateIsToldByTheStepThatClosed) {
  EXPECT_THAT(KindsOf(Closed(Event::AGREED)), ElementsAre(Webhook::AGREED));
  EXPECT_THAT(KindsOf(Closed(Event::ABANDONED)), ElementsAre(Webhook::ABANDONED));
  // Also where it was a reading that confirmed.
  EXPECT_THAT(KindsOf(Closed(Event::AGREED), LogEntry::VIEW), ElementsAre(Webhook::AGREED));
  LogEntry::Data later = Closed(Event::AGREED);
  later.set_closed(false);
  EXPECT_THAT(KindsOf(later), IsEmpty());
}

TEST(KindsTest, OneEntryMayDoSeveralThings) {
  LogEntry::Data reopened = Closed(Event::SUPERSEDED);
  reopened.set_successor("events/another");
  EXPECT_THAT(KindsOf(reopened), ElementsAre(Webhook::SUPERSEDED, Webhook::REOPENED));
  LogEntry::Data narrowed = Closed(Event::AGREED);
  narrowed.set_slots_changed(true);
  EXPECT_THAT(KindsOf(narrowed), ElementsAre(Webhook::UPDATED, Webhook::AGREED));
}

TEST(KindsTest, AClosedEventIsOnlyReopened) {
  LogEntry::Data data;
  data.set_state(Event::AGREED);
  data.set_successor("events/another");
  EXPECT_THAT(KindsOf(data), ElementsAre(Webhook::REOPENED));
}

TEST(KindsTest, TheDeletionIsTold) {
  LogEntry::Data data;
  data.set_deleted(true);
  EXPECT_THAT(KindsOf(data), ElementsAre(Webhook::DELETED));
}

TEST(KindsTest, NothingIsToldOfConfirmationsViewsAndErasures) {
  LogEntry::Data affirmed, erased;
  affirmed.set_affirmed(true);
  affirmed.set_state(Event::OPEN);
  erased.set_erased(true);
  EXPECT_THAT(KindsOf(affirmed), IsEmpty());
  EXPECT_THAT(KindsOf(erased), IsEmpty());
  EXPECT_THAT(KindsOf(LogEntry::Data(), LogEntry::VIEW), IsEmpty());
}

TEST(KindsTest, AreReadBackFromTables) {
  const std::vector<Kind> kinds = {Webhook::CREATED, Webhook::DELETED};
  EXPECT_EQ(KindNames(kinds), "CREATED,DELETED");
  EXPECT_EQ(ParseKinds(KindNames(kinds)), kinds);
  EXPECT_THAT(ParseKinds(""), IsEmpty());
}

}  // namespace
}  // namespace parley::notification
