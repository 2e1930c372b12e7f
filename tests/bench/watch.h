// Many watchers at once, and how long it takes until all of them are told of an entry.
#pragma once

#include <string>

namespace parley::bench {

struct WatchSettings {
  std::string gateway;
  std::string key;
  int watchers = 5000;
  int channels = 4;
  double seconds = 5;
};

// Makes an event, and opens the watchers: half of them follow it by WatchEvent, half all changes of the caller's events
// by WatchEvents. Prints a line `open` once all have caught up, then changes the event again and again for as long as
// is set, and prints one JSON object: how many changes, and how long it took from the answer until all were told. Waits
// for a line on the standard input before it ends. Answers with the exit code.
int RunWatch(const WatchSettings& settings);

}  // namespace parley::bench
