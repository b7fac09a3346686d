// Names that the examples in the public headers' manuals use without declaring them. See examples.py.
#pragma once
#include <iostream>

namespace beluga {
using namespace std::chrono_literals;

extern Agent agent;
extern ChatModelPtr model;
extern ToolPtr search, calculator;
extern std::shared_ptr<observe::Telemetry> telemetry;
extern std::shared_ptr<Database> db;
extern std::shared_ptr<SessionStore> store;
extern ToolCall call;
extern Message message;
extern Image image;
extern HttpRequest request;
extern HttpHeaders headers;
extern HttpExchange exchange;
extern Json arguments, json;
extern Scope scope;
extern std::string name, url, text, png, run, chunk, bytes_from_outside;
extern std::vector<std::string> known;

ChatModelPtr make(std::string_view model, const llm::OpenOptions& options);
void handler(HttpServerRequest& request, HttpServerResponse& response);
void serve_file(HttpServerRequest& request, HttpServerResponse& response);
std::shared_ptr<Effects> open_journal();
Json load(std::string_view id);
std::string find_pages(const std::string& query, int limit);
int look_up(std::string_view what);
[[noreturn]] void fail(const std::string& why);
template <class... T>
void use(T&&...);
template <class T>
void handle(T&&);
template <class T>
void log(T&&);
}  // namespace beluga
