#pragma once
// From the events of a Chat Completions stream to typed chunks.
#include <memory>
#include <span>
#include <string_view>

#include "beluga/contract/chat_model.hpp"

namespace beluga::llm::openai {

class ErrorMapper;

/// Understands the stream of OpenAI and of servers that imitate it. What is tolerated: unknown members, null
/// or absent content, content as a list of parts, tool calls without index or id or with the same index for
/// all, a whole call in one delta, arguments as an object, usage in any chunk, a full message instead of a
/// delta, a stream without [DONE]. What is not: a stream cut before its finish_reason (data_loss), text that
/// is not JSON (data_loss), an error object (thrown as the error it describes). No allocation per chunk once
/// buffers have grown. Thread-safety: one user at a time.
class ChatStreamParser {
 public:
  /// `errors` must outlive the parser.
  explicit ChatStreamParser(const ErrorMapper& errors);
  ~ChatStreamParser();
  ChatStreamParser(const ChatStreamParser&) = delete;
  ChatStreamParser& operator=(const ChatStreamParser&) = delete;

  /// Takes the data of one server-sent event. The chunks are valid until the next call; the caller may modify
  /// them.
  std::span<ChatChunk* const> event(std::string_view type, std::string_view data);
  /// The stream is over. Gives what is still owed (the ResponseEnd at least, unless done()); throws data_loss
  /// when the response is not complete.
  std::span<ChatChunk* const> finish();
  /// The ResponseEnd has been given out: whatever follows is of no interest.
  bool done() const noexcept;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace beluga::llm::openai
