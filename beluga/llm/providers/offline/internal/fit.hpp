#pragma once
/// Structured output: JSON that fits a schema, filled by extraction from the request and the evidence.

#include <string>
#include <vector>

#include "beluga/base/json.hpp"
#include "beluga/llm/providers/offline/internal/evidence.hpp"
#include "beluga/llm/providers/offline/internal/question.hpp"

namespace beluga::llm::offline_model {

struct Material {
  std::string request;            ///< what was asked
  std::string document;           ///< the text to extract from, may be empty
  std::string answer;             ///< the answer in words, without its citation; empty if none was found
  std::string source;             ///< "path:line" of the answer
  std::vector<Passage> passages;  ///< evidence
};

/// Always of the schema's type; what cannot be found is null where the schema allows it, else left out where
/// it may be, else the emptiest value that fits.
Json fit(const Json& schema, const Material& material);

}  // namespace beluga::llm::offline_model
