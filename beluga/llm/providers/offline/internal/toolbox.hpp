#pragma once
/// Tools, understood from their schemas alone: what they are for, and how to fill their arguments from a
/// request.
///
/// No tool is known by name. A tool that takes a query or a pattern and speaks of searching text is used for
/// looking things up; one that takes a path and speaks of reading is used to read around a hit; one that
/// lists files is used to see what there is; every other tool is called when the request is about it and its
/// required arguments are there.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "beluga/contract/chat_model.hpp"
#include "beluga/llm/providers/offline/internal/question.hpp"

namespace beluga::llm::offline_model {

enum class Purpose : std::uint8_t { search, read, list, other };

struct ToolView {
  const ToolSchema* schema = nullptr;
  Purpose purpose = Purpose::other;
  // Names of the parameters with a known part to play; empty if there is none.
  std::string query, path, glob, first, last, count, limit, ignore_case, regex_flag, recursive;
  bool regex = false;    ///< the query is a regular expression
  bool literal = false;  ///< the query is text to be found as it is (not keywords or a question)
  bool first_from_zero = false;
};

ToolView view(const ToolSchema& schema);

/// How well a clause fits a tool that is not for documents, and the arguments when all required ones could be
/// filled.
struct Match {
  double score = 0;
  std::optional<Json> arguments;
  std::string missing;  ///< the first required argument that could not be found in the clause
};
Match match(const ToolView& tool, const Question& clause);

}  // namespace beluga::llm::offline_model
