#pragma once
/// Looking something up with the tools at hand: what to search for, which files to read, and where.

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "beluga/llm/providers/offline/internal/question.hpp"
#include "beluga/llm/providers/offline/internal/transcript.hpp"

namespace beluga::llm::offline_model {

/// Collects the calls of one turn, each one once in a conversation.
class Planner {
 public:
  Planner(const State& state, const Known& known);

  bool call(const ToolView& tool, Json arguments);
  bool search(const ToolView& tool, const std::string& pattern, const std::string& in = {});
  bool read(const ToolView& tool, const std::string& path, std::int64_t from, std::int64_t to);
  bool list(const ToolView& tool);

  const State& s;
  const Known& known;
  std::vector<ToolCall> calls{};

 private:
  std::set<std::string> made_{};
};

/// The terms worth a search, the heavy ones first; common words only when there is nothing else.
std::vector<const Term*> searched_terms(const Question& question, std::size_t limit);
/// A regular expression (or plain text) that finds a term in its inflections and spellings.
std::string pattern_of(const Term& term, bool regex);

/// What files there are, and where the question's rarest words stand.
void survey(Planner& planner, const Question& question);
/// The files that look most promising: the beginning of those that can be read whole, and in the others the
/// lines that have the question's words.
void narrow(Planner& planner, const Question& question, bool with_synonyms);
/// The rest of the files whose beginning was read.
void read_on(Planner& planner);
/// The lines around the best places of the files that were not read whole.
void read_around(Planner& planner, const Question& question);
/// Synonyms and parts of names, when nothing good was found.
void widen(Planner& planner, const Question& question);
/// Reads on where the best candidates stand at the edge of what is known.
void complete(Planner& planner, const Question& question, const std::vector<Passage>& passages);

}  // namespace beluga::llm::offline_model
