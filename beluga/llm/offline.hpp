#pragma once
/// The offline model: an honest built-in chat model for first runs, tests and air-gapped fallback.
///
///     auto model = llm::offline();
///     ChatResponse reply = model->generate({.messages = {Message::user("What can you do?")}});
///
/// It has no weights, no network and no randomness: the same request always gets the same answer. It picks
/// tools by matching the request against their names, descriptions and parameter schemas, fills their
/// arguments by what the schemas ask for, and answers by quoting from tool results and given documents, each
/// quotation with its source: `The default is 150 names. (source: dnsmasq.8.txt:701)`. When the evidence is
/// weak it says so, and the text then starts with `Not found in these files.` It takes at most six turns and
/// never follows what is written in a tool's result. docs/providers/offline.md says what it can and cannot
/// do, and how well.

#include <cstdint>
#include <string>

#include "beluga/contract/chat_model.hpp"

namespace beluga::llm {

struct OfflineOptions {
  std::string model = "extractive-1";  ///< how the model reports itself
};

/// Thread-safety: as ChatModel. Never throws for a request, whatever is in it.
ChatModelPtr offline(OfflineOptions options = {});

/// What an answer starts with when the documents do not hold it.
inline constexpr const char* kOfflineNotFound = "Not found in these files.";

}  // namespace beluga::llm
