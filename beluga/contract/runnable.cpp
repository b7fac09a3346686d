#include "beluga/contract/runnable.hpp"

namespace beluga {

// Out of line: inline, each user's file would instantiate the vector of messages again.
RunInput::RunInput(std::string_view question) {
  messages.push_back(Message::user(std::string(question)));
}
RunInput::RunInput(const char* question) : RunInput(std::string_view(question)) {}
RunInput::RunInput(const std::string& question) : RunInput(std::string_view(question)) {}
RunInput::RunInput(std::vector<Message> given) : messages(std::move(given)) {}

Reply Runnable::invoke(RunInput input) {
  Stream<Event> events = stream(std::move(input));
  std::string run_id;
  bool first = true;
  while (const Event* event = events.next()) {
    // Child runs end in this stream too; only the run that began it decides.
    const std::string_view current = event->run ? std::string_view(event->run->run_id) : std::string_view();
    if (first) run_id = current;
    first = false;
    if (!event->terminal() || current != run_id) continue;

    if (const auto* completed = event->get_if<RunCompleted>())
      return Reply{completed->message, completed->reason, completed->summary, std::move(run_id)};
    if (const auto* failed = event->get_if<RunFailed>()) throw failed->error;
    if (const auto* cancelled = event->get_if<RunCancelled>())
      throw Error(ErrorCode::cancelled,
                  std::string(name()) + ": the run was cancelled: " + cancelled->cause.message())
          .with_cause(cancelled->cause);
    throw Error(ErrorCode::failed_precondition, std::string(name()) + ": the run waits for a human (" +
                                                    event->get_if<RunPaused>()->reason +
                                                    "); use stream() and answer the request to go on");
  }
  throw Error(ErrorCode::internal,
              std::string(name()) + ": the stream of events ended without a terminal event");
}

}  // namespace beluga
