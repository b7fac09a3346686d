#include <array>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <numbers>

#include "beluga/tool/builtin/builtin.hpp"
#include "beluga/tool/typed.hpp"

namespace beluga::tool::builtin {
namespace {

/// An integer as long as it stays one and fits 64 bits, else a double.
struct Value {
  bool exact = true;
  std::int64_t integer = 0;
  double real = 0;
  static Value of(std::int64_t i) { return {true, i, static_cast<double>(i)}; }
  static Value of(double d) { return {false, 0, d}; }
  bool zero() const { return real == 0; }
};

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Value run() {
    const Value value = sum();
    if (at_ < text_.size()) fail("unexpected '" + std::string(1, text_[at_]) + "'");
    return value;
  }

 private:
  static constexpr int kMaxDepth = 100;

  [[noreturn]] void fail(const std::string& why) const {
    raise(Error(ErrorCode::invalid_argument, "at position " + std::to_string(at_ + 1) + ": " + why));
  }
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n')) ++at_;
  }
  bool take(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    skip();
    return true;
  }
  struct Depth {
    explicit Depth(Parser& parser) : self(parser) {
      if (++self.depth_ > kMaxDepth) self.fail("nested more than 100 deep");
    }
    ~Depth() { --self.depth_; }
    Parser& self;
  };

  Value sum() {
    const Depth depth(*this);
    Value left = product();
    for (;;) {
      std::int64_t out = 0;
      if (take('+')) {
        const Value right = product();
        left = left.exact && right.exact && !__builtin_add_overflow(left.integer, right.integer, &out)
                   ? Value::of(out)
                   : Value::of(left.real + right.real);
      } else if (take('-')) {
        const Value right = product();
        left = left.exact && right.exact && !__builtin_sub_overflow(left.integer, right.integer, &out)
                   ? Value::of(out)
                   : Value::of(left.real - right.real);
      } else {
        return left;
      }
    }
  }

  Value product() {
    Value left = unary();
    for (;;) {
      skip();
      if (text_.substr(at_, 2) == "**") fail("use ^ for powers");
      if (take('*'))
        left = times(left, unary());
      else if (take('/'))
        left = divided(left, unary());
      else if (take('%'))
        left = remainder(left, unary());
      else
        return left;
    }
  }

  static Value times(const Value& a, const Value& b) {
    std::int64_t out = 0;
    if (a.exact && b.exact && !__builtin_mul_overflow(a.integer, b.integer, &out)) return Value::of(out);
    return Value::of(a.real * b.real);
  }
  Value divided(const Value& a, const Value& b) const {
    if (b.zero()) fail("division by zero");
    // -1: the one quotient that can overflow.
    if (a.exact && b.exact && b.integer != -1 && a.integer % b.integer == 0)
      return Value::of(a.integer / b.integer);
    if (a.exact && b.exact && b.integer == -1) return times(a, b);
    return Value::of(a.real / b.real);
  }
  Value remainder(const Value& a, const Value& b) const {
    if (b.zero()) fail("remainder of a division by zero");
    if (a.exact && b.exact) return Value::of(b.integer == -1 ? std::int64_t{0} : a.integer % b.integer);
    return Value::of(std::fmod(a.real, b.real));
  }

  Value unary() {
    const Depth depth(*this);
    if (take('-')) return times(Value::of(std::int64_t{-1}), unary());
    if (take('+')) return unary();
    return power();
  }

  /// Binds tighter than the sign before it and groups to the right: -2^2 = -4, 2^3^2 = 512.
  Value power() {
    const Value base = primary();
    if (!take('^')) return base;
    const Value exponent = unary();
    if (base.exact && exponent.exact && exponent.integer >= 0) {
      Value out = Value::of(std::int64_t{1});
      Value square = base;
      bool exact = true;
      for (std::int64_t n = exponent.integer; n > 0 && exact; n >>= 1) {
        if ((n & 1) != 0) out = times(out, square);
        if (n > 1) square = times(square, square);
        exact = out.exact && square.exact;
      }
      if (exact) return out;
    }
    const double real = std::pow(base.real, exponent.real);
    if (std::isnan(real)) fail("this power has no real value");
    return Value::of(real);
  }

  Value primary() {
    skip();
    if (at_ >= text_.size()) fail("the expression ends too early");
    if (take('(')) {
      const Value value = sum();
      if (!take(')')) fail("expected ')'");
      return value;
    }
    const char c = text_[at_];
    if ((c >= '0' && c <= '9') || c == '.') return number();
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return named();
    fail("expected a number, found '" + std::string(1, c) + "'");
  }

  Value number() {
    const char* const begin = text_.data() + at_;
    const char* const end = text_.data() + text_.size();
    double real = 0;
    const auto [after, error] = std::from_chars(begin, end, real);
    if (error != std::errc()) fail("not a number, or too large");
    const std::string_view digits(begin, static_cast<std::size_t>(after - begin));
    at_ += digits.size();
    skip();
    std::int64_t integer = 0;
    const auto [stop, bad] = std::from_chars(begin, after, integer);
    return bad == std::errc() && stop == after ? Value::of(integer) : Value::of(real);
  }

  Value named() {
    const std::size_t start = at_;
    while (at_ < text_.size() &&
           ((text_[at_] >= 'a' && text_[at_] <= 'z') || (text_[at_] >= 'A' && text_[at_] <= 'Z') ||
            (text_[at_] >= '0' && text_[at_] <= '9')))
      ++at_;
    const std::string name(text_.substr(start, at_ - start));
    if (!take('(')) {
      if (name == "pi") return Value::of(std::numbers::pi);
      if (name == "e") return Value::of(std::numbers::e);
      at_ = start;
      fail("unknown name '" + name.substr(0, 40) + "'; constants: pi, e; functions are called like sqrt(2)");
    }
    std::vector<Value> values{sum()};
    while (take(',')) values.push_back(sum());
    if (!take(')')) fail("expected ')' or ','");
    return function(name, values);
  }

  Value function(const std::string& name, const std::vector<Value>& v) const {
    if (name == "min" || name == "max") {
      Value best = v[0];
      for (const Value& one : v)
        if (name == "min" ? one.real < best.real : one.real > best.real) best = one;
      return best;
    }
    if (name == "pow" || name == "mod") fail("write a ^ b or a % b");
    if (v.size() != 1) fail("'" + name.substr(0, 40) + "' takes one value");
    const Value& x = v[0];
    if (x.exact && (name == "floor" || name == "ceil" || name == "round" || name == "trunc")) return x;
    if (x.exact && name == "abs") return x.integer < 0 ? times(Value::of(std::int64_t{-1}), x) : x;
    using Real = double (*)(double);
    static constexpr std::pair<std::string_view, Real> kFunctions[] = {
        {"sqrt", [](double d) { return std::sqrt(d); }},   {"cbrt", [](double d) { return std::cbrt(d); }},
        {"abs", [](double d) { return std::fabs(d); }},    {"floor", [](double d) { return std::floor(d); }},
        {"ceil", [](double d) { return std::ceil(d); }},   {"round", [](double d) { return std::round(d); }},
        {"trunc", [](double d) { return std::trunc(d); }}, {"exp", [](double d) { return std::exp(d); }},
        {"ln", [](double d) { return std::log(d); }},      {"log", [](double d) { return std::log(d); }},
        {"log10", [](double d) { return std::log10(d); }}, {"log2", [](double d) { return std::log2(d); }},
        {"sin", [](double d) { return std::sin(d); }},     {"cos", [](double d) { return std::cos(d); }},
        {"tan", [](double d) { return std::tan(d); }},     {"asin", [](double d) { return std::asin(d); }},
        {"acos", [](double d) { return std::acos(d); }},   {"atan", [](double d) { return std::atan(d); }},
    };
    for (const auto& [known, f] : kFunctions)
      if (known == name) {
        const double real = f(x.real);
        if (std::isnan(real)) fail(name + " has no real value here");
        return Value::of(real);
      }
    fail("unknown function '" + name.substr(0, 40) + "'");
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
};

std::string text_of(const Value& value) {
  if (value.exact) return std::to_string(value.integer);
  if (!std::isfinite(value.real)) raise(Error(ErrorCode::out_of_range, "the result is too large"));
  if (std::fabs(value.real) < 9007199254740992.0 && value.real == std::floor(value.real))
    return std::to_string(static_cast<std::int64_t>(value.real));
  // 15 digits: what a double holds for certain, so that 0.1 + 0.2 is 0.3. to_chars knows no locale.
  std::array<char, 40> buffer{};
  const auto end =
      std::to_chars(buffer.data(), buffer.data() + buffer.size(), value.real, std::chars_format::general, 15)
          .ptr;
  return std::string(buffer.data(), end);
}

struct CalculatorArgs {
  Field<std::string,
        "Arithmetic with + - * / % ^ ( ), pi, e, and sqrt cbrt abs floor ceil round trunc exp ln log10 log2 "
        "sin cos tan "
        "asin acos atan min max",
        Limits{.min_length = 1, .max_length = 1000}>
      expression;
};

}  // namespace

ToolPtr calculator() {
  return make("calculator", "Evaluates an arithmetic expression; exact for whole numbers up to 64 bits.",
              [](const CalculatorArgs& args) { return text_of(Parser(*args.expression).run()); },
              {.inline_call = true, .read_only = true, .idempotent = true});
}

}  // namespace beluga::tool::builtin
