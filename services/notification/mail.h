// The mail by which a party is told of an event (domain rule N7; text only for now). A pure function. Thread-safe.
#pragma once

#include <string>
#include <vector>

#include "common/address/address.h"
#include "common/data/events.h"
#include "common/data/uuid.h"
#include "common/slot/slot.h"

namespace parley::notification {

struct Mail {
  Uuid notification_id;
  Address from;            // Parley's own
  Address to;              // the recipient, as spelled for this event
  Address sender;          // who asks
  bool requested = false;  // nobody asks: the recipient wanted a new key
  std::string title;
  data::Event::State state = event::v1::Event::OPEN;
  std::vector<Slot> slots;
  std::string time_zone;
  absl::Time date;
  std::string key;  // of the recipient's e-mail token
  absl::Time expire_time;
  std::string public_address;  // where calls go; may be empty
};

// The message as RFC 5322 has it, with CRLF line ends. Its Message-ID depends on the notification alone. The key stands
// alone on a line of its own. Control characters in the title, which the domain forbids, become spaces.
std::string ComposeMail(const Mail& mail);

}  // namespace parley::notification
