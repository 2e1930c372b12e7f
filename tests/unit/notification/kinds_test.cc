#include "services/notification/webhooks/kinds.h"

#include <gmock/gmock.h>

namespace parley::notification {
namespace {

using event::v1::Event;
using event::v1::LogEntry;
using internal::data::v1::EntryData;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using v1::Webhook;

EntryData Closed(Event::State state) {
  EntryData data;
  data.set_closed(true);
  data.set_state(state);
  return data;
}

std::vector<Kind> KindsOf(const EntryData& data, LogEntry::Occurrence occurrence = LogEntry::UPDATE) {
  data::LogEntry entry;
  entry.occurrence = occurrence;
  entry.data = data;
  return notification::KindsOf(entry);
}

TEST(KindsTest, TheFirstEntryCreatesAndUpdatesNothing) {
  EntryData data;
  data.mutable_opened()->set_title("Picnic");
  data.set_state(Event::OPEN);
  data.set_slots_changed(true);
  data.set_predecessor_id("another");
  EXPECT_THAT(KindsOf(data), ElementsAre(Webhook::CREATED));
}

TEST(KindsTest, TitleTimeZoneAndSlotsUpdate) {
  EntryData title, time_zone, slots;
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
  EntryData later = Closed(Event::AGREED);
  later.set_closed(false);
  EXPECT_THAT(KindsOf(later), IsEmpty());
}

TEST(KindsTest, OneEntryMayDoSeveralThings) {
  EntryData reopened = Closed(Event::SUPERSEDED);
  reopened.set_successor_id("another");
  EXPECT_THAT(KindsOf(reopened), ElementsAre(Webhook::SUPERSEDED, Webhook::REOPENED));
  EntryData narrowed = Closed(Event::AGREED);
  narrowed.set_slots_changed(true);
  EXPECT_THAT(KindsOf(narrowed), ElementsAre(Webhook::UPDATED, Webhook::AGREED));
}

TEST(KindsTest, AClosedEventIsOnlyReopened) {
  EntryData data;
  data.set_state(Event::AGREED);
  data.set_successor_id("another");
  EXPECT_THAT(KindsOf(data), ElementsAre(Webhook::REOPENED));
}

TEST(KindsTest, TheDeletionIsTold) {
  EntryData data;
  data.set_deleted(true);
  EXPECT_THAT(KindsOf(data), ElementsAre(Webhook::DELETED));
}

TEST(KindsTest, NothingIsToldOfConfirmationsViewsAndErasures) {
  EntryData affirmed, erased;
  affirmed.set_affirmed(true);
  affirmed.set_state(Event::OPEN);
  erased.set_erased_id("somebody");
  EXPECT_THAT(KindsOf(affirmed), IsEmpty());
  EXPECT_THAT(KindsOf(erased), IsEmpty());
  EXPECT_THAT(KindsOf(EntryData(), LogEntry::VIEW), IsEmpty());
}

TEST(KindsTest, AreReadBackFromTables) {
  const std::vector<Kind> kinds = {Webhook::CREATED, Webhook::DELETED};
  EXPECT_EQ(KindNames(kinds), "CREATED,DELETED");
  EXPECT_EQ(ParseKinds(KindNames(kinds)), kinds);
  EXPECT_THAT(ParseKinds(""), IsEmpty());
}

}  // namespace
}  // namespace parley::notification
