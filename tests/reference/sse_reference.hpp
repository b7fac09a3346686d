#pragma once
/// The event stream interpretation of the WHATWG HTML standard, section 9.2.6, written down as plainly as
/// possible over a whole buffer: the yardstick for SseParser in its tests and its fuzzer.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace beluga::reference {

struct Event {
  std::string type;
  std::string data;
  std::string id;
  friend bool operator==(const Event&, const Event&) = default;
};

struct Interpretation {
  std::vector<Event> events;
  std::string last_id;
  std::optional<long long> retry;
};

inline Interpretation interpret(std::string_view stream) {
  Interpretation out;
  if (stream.starts_with("\xEF\xBB\xBF")) stream.remove_prefix(3);
  std::vector<std::string> lines;  // complete ones only
  std::string line;
  for (std::size_t i = 0; i < stream.size(); ++i) {
    const char c = stream[i];
    if (c != '\r' && c != '\n') {
      line += c;
      continue;
    }
    if (c == '\r' && i + 1 < stream.size() && stream[i + 1] == '\n') ++i;
    lines.push_back(line);
    line.clear();
  }
  std::string data, type, id;
  for (const std::string& each : lines) {
    if (each.empty()) {
      out.last_id = id;
      if (!data.empty()) {
        data.pop_back();
        out.events.push_back({type.empty() ? "message" : type, data, id});
      }
      data.clear();
      type.clear();
      continue;
    }
    if (each[0] == ':') continue;
    const std::size_t colon = each.find(':');
    const std::string field = each.substr(0, colon);
    std::string value = colon == std::string::npos ? "" : each.substr(colon + 1);
    if (!value.empty() && value[0] == ' ') value.erase(0, 1);
    if (field == "event") {
      type = value;
    } else if (field == "data") {
      data += value + "\n";
    } else if (field == "id") {
      if (value.find('\0') == std::string::npos) id = value;
    } else if (field == "retry") {
      bool digits = !value.empty();
      for (char c : value) digits = digits && c >= '0' && c <= '9';
      if (digits) {
        long long number = 0;
        for (char c : value)
          number = number * 10 + (c - '0') < (1LL << 40) ? number * 10 + (c - '0') : 1LL << 40;
        out.retry = number;
      }
    }
  }
  return out;
}

}  // namespace beluga::reference
