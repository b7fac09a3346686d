#pragma once
/// Typed tools: any C++ callable becomes a tool, its JSON Schema is derived from its argument struct.
///
///     struct SearchArgs {
///       Field<std::string, "What to look for"> query;
///       Field<int, "How many results", Limits{.minimum = 1, .maximum = 50}> limit = 10;
///     };
///     ToolPtr search = tool::make("search", "Searches the web", [](const SearchArgs& args) {
///       return find_pages(args.query, args.limit);
///     });
///
/// It may return a string, Json, struct, vector, number, ToolOutput, or nothing.
///
/// The callable takes nothing, its struct, `const ToolCallInfo&`, or both. Its arguments have been validated
/// when it runs. It may block and throw: it runs on a thread of the pool (unless ToolTraits::inline_call),
/// and an exception becomes an error result for the model. It may run several times at once: guard what it
/// shares. What it captures must be owned, as a call that ignores its cancellation may outlive its run.
/// Supported argument types: see reflect_json.hpp.

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "beluga/base/function.hpp"
#include "beluga/base/reflect_json.hpp"
#include "beluga/base/result.hpp"
#include "beluga/contract/tool.hpp"

namespace beluga::tool {

namespace detail {

using RawTool = Function<ToolOutput(const Json&, const ToolCallInfo&)>;
/// Throws Error{invalid_argument} for a malformed name.
ToolPtr make_raw(ToolSchema schema, ToolTraits traits, RawTool call);

template <class... Ts>
struct Types {};
template <class R, class... Args>
Types<Args...> parameters_of(R (*)(Args...));
template <class R, class... Args>
Types<Args...> parameters_of(R (*)(Args...) noexcept);
template <class F, class R, class... Args>
Types<Args...> parameters_of(R (F::*)(Args...) const);
template <class F, class R, class... Args>
Types<Args...> parameters_of(R (F::*)(Args...) const noexcept);
/// A callable that changes itself: recognised to be refused.
struct MutableCallable {};
template <class F, class R, class... Args>
MutableCallable parameters_of(R (F::*)(Args...));
template <class F, class R, class... Args>
MutableCallable parameters_of(R (F::*)(Args...) noexcept);
/// Templates and overload sets: no signature to read.
struct NoSignature {};

template <class F>
constexpr auto parameters() {
  if constexpr (std::is_pointer_v<F>)
    return decltype(parameters_of(std::declval<F>())){};
  else if constexpr (requires { &F::operator(); })
    return decltype(parameters_of(&F::operator())){};
  else
    return NoSignature{};
}

template <class T>
inline constexpr bool kIsResult = false;
template <class T>
inline constexpr bool kIsResult<Result<T>> = true;

template <class R>
ToolOutput to_output(R&& result) {
  using T = std::remove_cvref_t<R>;
  if constexpr (std::is_same_v<T, ToolOutput>)
    return std::forward<R>(result);
  else if constexpr (std::is_convertible_v<R, std::string>)
    return {.content = std::forward<R>(result)};
  else if constexpr (std::is_same_v<T, std::string_view>)
    return {.content = std::string(result)};
  else if constexpr (std::is_same_v<T, Json>)
    return {.content = result.dump()};
  else if constexpr (kIsResult<T>)
    return to_output(std::forward<R>(result).value());
  else
    return {.content = to_json(std::as_const(result)).dump()};
}

template <class F, class... Args>
ToolOutput invoke_as_tool(const F& f, Args&&... args) {
  using R = std::invoke_result_t<const F&, Args...>;
  if constexpr (std::is_void_v<R>) {
    f(std::forward<Args>(args)...);
    return {.content = "done"};
  } else {
    return to_output(f(std::forward<Args>(args)...));
  }
}

/// A struct, or Json for those who check by themselves.
template <class Arg>
constexpr bool check_argument() {
  using T = std::remove_cvref_t<Arg>;
  static_assert(std::is_same_v<T, Json> || beluga::detail::JsonStruct<T>,
                "beluga: a tool takes its arguments as one struct, whose fields are the arguments' names (a "
                "plain aggregate: no "
                "constructor, no private field, no virtual function)");
  static_assert(!std::is_lvalue_reference_v<Arg> || std::is_const_v<std::remove_reference_t<Arg>>,
                "beluga: a tool takes its argument struct by value or by const reference");
  return true;
}

template <class Arg>
Json argument_schema() {
  using T = std::remove_cvref_t<Arg>;
  if constexpr (std::is_same_v<T, Json>)
    return Json::object({{"type", "object"}});
  else
    return json_schema<T>();
}

template <class F>
ToolPtr make_from(Types<>, ToolSchema schema, ToolTraits traits, F f) {
  struct NoArguments {};
  schema.parameters = json_schema<NoArguments>();
  return make_raw(std::move(schema), traits,
                  [f = std::move(f)](const Json&, const ToolCallInfo&) { return invoke_as_tool(f); });
}
template <class F>
ToolPtr make_from(Types<const ToolCallInfo&>, ToolSchema schema, ToolTraits traits, F f) {
  struct NoArguments {};
  schema.parameters = json_schema<NoArguments>();
  return make_raw(std::move(schema), traits, [f = std::move(f)](const Json&, const ToolCallInfo& info) {
    return invoke_as_tool(f, info);
  });
}
template <class Arg, class F>
ToolPtr make_from(Types<Arg>, ToolSchema schema, ToolTraits traits, F f) {
  if constexpr (check_argument<Arg>()) {
    schema.parameters = argument_schema<Arg>();
    return make_raw(std::move(schema), traits, [f = std::move(f)](const Json& json, const ToolCallInfo&) {
      return invoke_as_tool(f, from_json<std::remove_cvref_t<Arg>>(json));
    });
  }
}
template <class Arg, class F>
ToolPtr make_from(Types<Arg, const ToolCallInfo&>, ToolSchema schema, ToolTraits traits, F f) {
  if constexpr (check_argument<Arg>()) {
    schema.parameters = argument_schema<Arg>();
    return make_raw(std::move(schema), traits,
                    [f = std::move(f)](const Json& json, const ToolCallInfo& info) {
                      return invoke_as_tool(f, from_json<std::remove_cvref_t<Arg>>(json), info);
                    });
  }
}

template <class Signature>
inline constexpr bool kReadable = false;
template <>
inline constexpr bool kReadable<Types<>> = true;
template <class Arg>
inline constexpr bool kReadable<Types<Arg>> = true;
template <class Arg>
inline constexpr bool kReadable<Types<Arg, const ToolCallInfo&>> = true;

}  // namespace detail

/// Makes a tool of `callable`. Throws Error{invalid_argument} unless `name` is [A-Za-z0-9_-]{1,64}.
template <class F>
ToolPtr make(std::string name, std::string description, F callable, ToolTraits traits = {}) {
  using Signature = decltype(detail::parameters<F>());
  static_assert(!std::is_same_v<Signature, detail::NoSignature>,
                "beluga: a tool's callable needs one plain signature: write the type of its argument struct "
                "instead of `auto`");
  static_assert(!std::is_same_v<Signature, detail::MutableCallable>,
                "beluga: a tool may run several times at once, so its callable must be const: drop `mutable` "
                "and guard what it "
                "shares");
  static_assert(
      detail::kReadable<Signature> || std::is_same_v<Signature, detail::NoSignature> ||
          std::is_same_v<Signature, detail::MutableCallable>,
      "beluga: a tool takes nothing, one argument struct, const ToolCallInfo&, or both in this order");
  if constexpr (detail::kReadable<Signature>)
    return detail::make_from(Signature{},
                             ToolSchema{.name = std::move(name), .description = std::move(description)},
                             traits, std::move(callable));
  else
    return nullptr;
}

}  // namespace beluga::tool
