#pragma once
/// The rules of a transcript that every provider accepts, and the repairs that make one.
///
/// An assistant message with tool calls is followed by exactly one result per call, in call order, and by
/// nothing else before them. Call ids are not empty and are unique within the transcript.

#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "beluga/contract/message.hpp"

namespace beluga {

/// The call ids that a transcript has used.
class CallIds {
 public:
  /// Gives every call of `message` whose id is empty or used already a new one ("call_7"), and remembers all
  /// of them. Depends on nothing but what was seen, so that a replayed run repairs alike.
  void make_unique(Message& message);

 private:
  std::unordered_set<std::string> seen_;
};

/// What the model reads about a call whose result was never recorded.
ToolResult interrupted_result(const ToolCall& call);

/// The same conversation, valid for replay: results are put in call order, a missing one becomes an
/// interrupted_result(), a result without its call and a second result of one call are dropped, messages
/// without any part are dropped, empty and repeated call ids are replaced. `ids` afterwards knows all ids.
std::vector<Message> replayable(std::vector<Message> messages, CallIds& ids);

/// Empty when `messages` keep the rules, else what is wrong: "message 4: call 'c2' has no result".
std::string transcript_fault(std::span<const Message> messages);

}  // namespace beluga
