#pragma once
/// The next turn: which tools to call, or what to answer. A pure function of the request: everything the
/// model knows it reads from the transcript, so the same transcript always leads to the same turn.
///
/// Looking something up takes these turns, each skipped when it is not needed:
///   survey   what files there are, and where the question's rarest words stand
///   narrow   all of its words, in the files that look most promising
///   read     the lines around the best places
///   widen    synonyms and pairs of words, when nothing good was found; then read again
/// so that an answer takes at most six turns. What a tool returns is evidence and never changes this order.

#include <string>
#include <vector>

#include "beluga/contract/chat_model.hpp"
#include "beluga/llm/providers/offline/internal/features.hpp"

namespace beluga::llm::offline_model {

struct Turn {
  std::string text;             ///< the answer, or a word on what is being done
  std::vector<ToolCall> calls;  ///< empty: the text is final
};

Turn next_turn(const ChatRequest& request);

/// Something to be looked up, with all that the transcript knows for it: what the ranking works on. For
/// measuring and fitting it.
struct Inquiry {
  Question question;
  std::vector<Passage> passages;
  Hints hints;
};
std::vector<Inquiry> inquiries(const ChatRequest& request);

/// The sentence for "the answer is not there". Tests and users may look for it.
inline constexpr std::string_view kNotFound = "Not found in these files.";

}  // namespace beluga::llm::offline_model
