#pragma once
/// What the transcript says: the question, the tools at hand, the calls that were made, and what they
/// brought.

#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "beluga/contract/chat_model.hpp"
#include "beluga/llm/providers/offline/internal/evidence.hpp"
#include "beluga/llm/providers/offline/internal/features.hpp"
#include "beluga/llm/providers/offline/internal/toolbox.hpp"

namespace beluga::llm::offline_model {

struct Done {
  const ToolView* tool = nullptr;
  std::string name;
  std::string id;
  Json arguments;
  const ToolResult* result = nullptr;
  std::size_t round = 0;
};

struct State {
  std::string request;                                     ///< the question's text
  std::string document;                                    ///< a text that came with it
  std::vector<std::pair<std::string, std::string>> given;  ///< further documents: name, text
  std::vector<ToolView> tools;
  std::vector<Done> calls;
  std::size_t rounds = 0;
  std::size_t calls_before = 0;  ///< in earlier turns of the conversation, for ids that never repeat
  std::string previous_request;

  const ToolView* first(Purpose purpose) const {
    auto it =
        std::find_if(tools.begin(), tools.end(), [&](const ToolView& t) { return t.purpose == purpose; });
    return it == tools.end() ? nullptr : &*it;
  }
};

/// How far a file was read from its beginning.
struct Progress {
  std::int64_t next = 1;   ///< the first line that is not known
  std::int64_t total = 0;  ///< lines in all
};

struct Known {
  Evidence evidence;
  std::set<std::string> listing;
  std::map<std::string, std::int64_t> sizes;  ///< bytes of files, where the listing tells them
  std::map<std::string, Progress> progress;   ///< files that were begun and not finished
  std::set<std::string> begun;                ///< files that were read from the first line on
  std::map<std::string, std::size_t> hits;    ///< pattern -> hits of the survey
  std::set<std::string> capped;               ///< patterns with more hits than were shown
  std::vector<std::string> failures;
  Hints hints;
  std::size_t searches = 0, reads = 0;
  bool any_lines = false;
};

State read(const ChatRequest& request);
/// The evidence of the calls so far.
Known learn(const State& state);

/// The path that a call was about; empty for the root.
std::string tool_path(const Done& call);

}  // namespace beluga::llm::offline_model
