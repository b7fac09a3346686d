// Fits the weights of the offline model's ranking (beluga/llm/providers/offline/internal/weights.hpp).
//
//   offline_train [--write weights.hpp] [--show SET] FOLDER questions.tsv[:SET][*WEIGHT] [FOLDER questions.tsv ...]
//   offline_train --explain FOLDER QUESTION
//
// Every question is asked once of an agent with the offline model, for the evidence that it collects. Each
// sentence of that evidence is then graded as if it were the answer. The weights maximise the probability,
// under a softmax over all sentences of a question, that a right one is chosen, less a penalty on their
// squares (Cao et al. 2007, "Learning to rank: from pairwise approach to listwise approach"). Printed are how
// many questions have a right sentence in the evidence at all, the score in training, and the cross-validated
// score: the packages are dealt to folds, and each question is ranked with weights that were fitted without
// its package.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "beluga/agent/agent.hpp"
#include "beluga/base/result.hpp"
#include "beluga/llm/offline.hpp"
#include "beluga/llm/providers/offline/internal/plan.hpp"

#include "beluga/llm/providers/offline/internal/rank.hpp"
#include "beluga/llm/registry.hpp"
#include "beluga/tool/builtin/builtin.hpp"
#include "grading.hpp"

namespace {

using namespace beluga;
using namespace beluga::llm::offline_model;
using offline_eval::Corpus;
using offline_eval::Row;

constexpr std::size_t kFolds = 8;
// Cross-validated scores with 0.008, 0.016 and 0.03 are equal within one per cent, with less they fall.
constexpr double kPenalty = 0.008;
constexpr double kGroupPenalty = 2;  // what a group adds must earn it
constexpr double kSignPenalty = 0.02;
constexpr std::uint32_t kSteps = 6;
constexpr std::size_t kKept = 150;  // sentences of a question, the best by the weights at hand

/// Passes everything on and keeps the last request: the one with all the evidence.
class Recorder final : public ChatModel {
 public:
  explicit Recorder(ChatModelPtr inner) : inner_(std::move(inner)) {}
  Stream<ChatChunk> stream(ChatRequest request) override {
    last = request;
    return inner_->stream(std::move(request));
  }
  const ModelInfo& info() const noexcept override { return inner_->info(); }
  ChatRequest last;

 private:
  ChatModelPtr inner_;
};

/// The features that are not zero, with the index of their shared weight in a flat vector.
using Sparse = std::vector<std::pair<unsigned, double>>;
constexpr std::size_t kColumns = kGroups + 1;
using Flat = std::array<double, kFeatures * kColumns>;

struct Option {
  Sparse features;
  bool right = false;
  Candidate candidate;
  std::string text;
};
/// One feature of all sentences of a question: the fitting goes through them by feature.
struct Column {
  std::size_t feature = 0;  ///< of its shared weight
  std::vector<float> values;
};
struct Case {
  Row row;
  double weight = 1;  // in the fitting
  Question question;
  unsigned group = 0;  // column of the weights
  std::vector<Option> sentences;
  std::vector<Column> columns;  ///< without those that are zero everywhere
  bool any_right = false;
};
using Signs = std::array<double, kSigns>;

double score(const Flat& w, const Sparse& f, unsigned group) {
  double sum = 0;
  for (const auto& [at, value] : f) sum += (w[at] + w[at + group]) * value;
  return sum;
}

const Option* best(const Case& c, const Flat& w) {
  const Option* top = nullptr;
  double most = -1e300;
  for (const Option& s : c.sentences)
    if (double value = score(w, s.features, c.group); value > most) most = value, top = &s;
  return top;
}

/// The candidates in the order of the weights, as the model would see them.
std::vector<Candidate> ranked(const Case& c, const Flat& w, std::vector<const Option*>* options = nullptr) {
  std::vector<std::pair<double, const Option*>> order;
  for (const Option& s : c.sentences) order.emplace_back(score(w, s.features, c.group), &s);
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<Candidate> out;
  for (const auto& [value, option] : order) {
    out.push_back(option->candidate);
    out.back().score = value;
    if (options != nullptr) options->push_back(option);
  }
  return out;
}

/// Maximises the log-likelihood of the right sentences with Adam (Kingma and Ba 2015), full batches.
Flat fit(const std::vector<const Case*>& cases) {
  Flat w{}, m{}, v{};
  constexpr double kRate = 0.08, b1 = 0.9, b2 = 0.99;
  constexpr int kRounds = 120;
  std::vector<float> p, pull;
  double total = 0;
  for (const Case* c : cases) total += c->weight;
  for (int step = 1; step <= kRounds; ++step) {
    Flat gradient{};
    for (const Case* c : cases) {
      const std::size_t n = c->sentences.size();
      p.assign(n, 0);
      pull.assign(n, 0);
      for (const Column& column : c->columns) {
        const auto weight = static_cast<float>(w[column.feature] + w[column.feature + c->group]);
        for (std::size_t i = 0; i < n; ++i) p[i] += weight * column.values[i];
      }
      const float top = *std::max_element(p.begin(), p.end());
      float all = 0, right = 0;
      for (std::size_t i = 0; i < n; ++i) {
        all += p[i] = std::exp(p[i] - top);
        right += c->sentences[i].right ? p[i] : 0;
      }
      if (right <= 0) continue;
      for (std::size_t i = 0; i < n; ++i)
        pull[i] = static_cast<float>(c->weight) * ((c->sentences[i].right ? p[i] / right : 0) - p[i] / all);
      for (const Column& column : c->columns) {
        float sum = 0;
        for (std::size_t i = 0; i < n; ++i) sum += pull[i] * column.values[i];
        gradient[column.feature] += static_cast<double>(sum);
        gradient[column.feature + c->group] += static_cast<double>(sum);
      }
    }
    for (std::size_t f = 0; f < w.size(); ++f) {
      double g = gradient[f] / total - kPenalty * (f % kColumns == 0 ? 1 : kGroupPenalty) * w[f];
      m[f] = b1 * m[f] + (1 - b1) * g;
      v[f] = b2 * v[f] + (1 - b2) * g * g;
      w[f] += kRate * (m[f] / (1 - std::pow(b1, step))) / (std::sqrt(v[f] / (1 - std::pow(b2, step))) + 1e-8);
    }
  }
  return w;
}

/// What the ranking makes of a question.
struct Verdict {
  Signs signs{};
  bool any = false, first = false, quoted = false;  // the first is right; one of those that are quoted is
};

Verdict judge(const Case& c, const Flat& w) {
  std::vector<const Option*> options;
  const std::vector<Candidate> order = ranked(c, w, &options);
  Verdict out;
  out.any = !order.empty();
  out.signs = signs(c.question, order);
  out.first = out.any && options.front()->right;
  for (std::size_t at : quoted(order)) out.quoted = out.quoted || options[at]->right;
  return out;
}

double probability(const Signs& w, const Signs& x) {
  double sum = 0;
  for (std::size_t i = 0; i < kSigns; ++i) sum += w[i] * x[i];
  return 1 / (1 + std::exp(-sum));
}

/// Logistic regression: that there is an answer, and the first candidate is right, against that the documents have
/// none. Where there is an answer and the first candidate is not it, either verdict is wrong: it counts little.
Signs fit_signs(const std::vector<std::pair<const Case*, Verdict>>& cases) {
  Signs w{}, m{}, v{};
  constexpr double kRate = 0.05, b1 = 0.9, b2 = 0.999, kLost = 0.2;
  for (int step = 1; step <= 600; ++step) {
    Signs gradient{};
    for (const auto& [c, verdict] : cases) {
      if (!verdict.any) continue;
      const double target = c->row.absent() ? 0 : 1;
      const double weight = c->row.absent() || verdict.quoted ? 1 : kLost;
      const double pull = weight * (target - probability(w, verdict.signs));
      for (std::size_t i = 0; i < kSigns; ++i) gradient[i] += pull * verdict.signs[i];
    }
    for (std::size_t i = 0; i < kSigns; ++i) {
      const double g =
          gradient[i] / static_cast<double>(cases.size()) - (i == 0 ? 0 : kSignPenalty / 10) * w[i];
      m[i] = b1 * m[i] + (1 - b1) * g;
      v[i] = b2 * v[i] + (1 - b2) * g * g;
      w[i] += kRate * (m[i] / (1 - std::pow(b1, step))) / (std::sqrt(v[i] / (1 - std::pow(b2, step))) + 1e-8);
    }
  }
  return w;
}

/// `questions` may end in ":set", only the rows whose set begins so, and in "*weight", of each of them in the fitting.
std::vector<Case> collect(const std::string& folder, std::string questions) {
  std::string set;
  double weight = 1;
  if (const std::size_t star = questions.rfind('*'); star != std::string::npos) {
    weight = std::stod(questions.substr(star + 1));
    questions.resize(star);
  }
  if (const std::size_t colon = questions.rfind(':'); colon != std::string::npos) {
    set = questions.substr(colon + 1);
    questions.resize(colon);
  }
  const Corpus corpus(folder);
  std::vector<Case> cases;
  auto recorder = std::make_shared<Recorder>(llm::open("offline"));
  const Agent agent{{.name = "librarian",
                     .model = recorder,
                     .tools = tool::builtin::standard({.root = folder}),
                     .budget = {.max_steps = kSteps}}};
  for (Row& row : offline_eval::read_questions(questions)) {
    if (!row.set.starts_with(set)) continue;
    Case c;
    c.row = row;
    c.weight = weight;
    Result<Reply> reply = attempt([&] { return agent.invoke(row.question); });
    std::vector<Inquiry> asked = inquiries(recorder->last);
    if (!asked.empty()) {
      const Inquiry& q = asked.front();
      c.question = q.question;
      c.group = 1 + static_cast<unsigned>(group_of(q.question));
      for (const Candidate& each : rank(q.question, q.passages, q.hints, kKept)) {
        std::string text = compose(q.question, q.passages, each);
        bool right = !row.absent() && offline_eval::grade(row, text, corpus).empty();
        c.any_right = c.any_right || right;
        Sparse features;
        for (unsigned f = 0; f < kFeatures; ++f)
          if (each.features[f] != 0.0)
            features.emplace_back(f * static_cast<unsigned>(kColumns), each.features[f]);
        c.sentences.push_back({std::move(features), right, each, std::move(text)});
      }
    }
    for (std::size_t f = 0; f < kFeatures; ++f) {
      Column column{f * kColumns, {}};
      for (const Option& each : c.sentences)
        column.values.push_back(static_cast<float>(each.candidate.features[f]));
      if (std::any_of(column.values.begin(), column.values.end(), [](float x) { return x > 0 || x < 0; }))
        c.columns.push_back(std::move(column));
    }
    cases.push_back(std::move(c));
  }
  return cases;
}

void print_difference(const Case& c, const Flat& w) {
  const Option* chosen = best(c, w);
  const Option* right = nullptr;
  double most = -1e300;
  for (const Option& s : c.sentences)
    if (double value = score(w, s.features, c.group); s.right && value > most) most = value, right = &s;
  std::printf("WRONG %s\n   chose  %s\n", c.row.question.c_str(),
              chosen ? chosen->text.substr(0, 300).c_str() : "-");
  if (right == nullptr) {
    std::printf("   none right among %zu; expected %s %s\n", c.sentences.size(), c.row.files.c_str(),
                c.row.evidence.c_str());
    return;
  }
  std::printf("   wanted %s\n   by %.2f:", right->text.substr(0, 300).c_str(),
              score(w, chosen->features, c.group) - score(w, right->features, c.group));
  std::map<unsigned, double> difference;
  for (const auto& [at, value] : chosen->features) difference[at] += (w[at] + w[at + c.group]) * value;
  for (const auto& [at, value] : right->features) difference[at] -= (w[at] + w[at + c.group]) * value;
  for (const auto& [at, d] : difference)
    if (std::abs(d) > 0.08)
      std::printf(" %s %+.2f", std::string(name_of(static_cast<Feature>(at / kColumns))).c_str(), d);
  std::printf("\n");
}

void write(const std::string& path, const Flat& w) {
  std::ifstream in(path);
  std::string out, line;
  bool inside = false;
  while (std::getline(in, line)) {
    if (line.find("end of the table") != std::string::npos) inside = false;
    if (!inside) out += line + "\n";
    if (line.find("begin of the table") == std::string::npos) continue;
    inside = true;
    for (std::size_t f = 0; f < kFeatures; ++f) {
      std::string name(name_of(static_cast<Feature>(f)));
      out += "    {Feature::" + name + ", \"" + name + "\", {{";
      for (std::size_t g = 0; g < kColumns; ++g) {
        char number[32];
        std::snprintf(number, sizeof number, "%s%.2f", g == 0 ? "" : ", ", w[f * kColumns + g]);
        out += number;
      }
      out += "}}},\n";
    }
  }
  in.close();
  std::ofstream(path) << out;
}

void write_signs(const std::string& path, const Signs& w) {
  std::ifstream in(path);
  std::string out, line;
  bool inside = false;
  while (std::getline(in, line)) {
    if (line.find("end of the signs") != std::string::npos) inside = false;
    if (!inside) out += line + "\n";
    if (line.find("begin of the signs") == std::string::npos) continue;
    inside = true;
    for (std::size_t i = 0; i < kSigns; ++i) {
      const std::string name(name_of(static_cast<Sign>(i)));
      char number[32];
      std::snprintf(number, sizeof number, "%.2f", w[i]);
      out += "    {Sign::" + name + ", \"" + name + "\", " + number + "},\n";
    }
  }
  in.close();
  std::ofstream(path) << out;
}

/// What the model reads and ranks for one question.
int explain(const std::string& folder, const std::string& question) {
  auto recorder = std::make_shared<Recorder>(llm::open("offline"));
  const Agent agent{{.name = "librarian",
                     .model = recorder,
                     .tools = tool::builtin::standard({.root = folder}),
                     .budget = {.max_steps = kSteps}}};
  const Result<Reply> reply = attempt([&] { return agent.invoke(question); });
  for (const Message& message : recorder->last.messages)
    for (const ToolCall* call : message.tool_calls())
      std::printf("%s %s\n", call->name.c_str(), call->arguments.substr(0, 160).c_str());
  for (const Inquiry& q : inquiries(recorder->last)) {
    std::printf("kind %d, shape %d, %zu passages\n", static_cast<int>(q.question.kind),
                static_cast<int>(q.question.shape), q.passages.size());
    for (const Term& term : q.question.terms)
      std::printf("  %s %.2f%s%s\n", term.surface.c_str(), term.weight, term.entity ? " name" : "",
                  q.hints.scope.contains(term.surface) ? " scope" : "");
    for (const Candidate& c : rank(q.question, q.passages, q.hints, 6))
      std::printf("%6.2f coverage %.2f  %s\n", c.score, c.coverage,
                  compose(q.question, q.passages, c).substr(0, 240).c_str());
  }
  std::printf("%s\n", reply.ok() ? reply->text().c_str() : reply.error().message().c_str());
  return 0;
}

struct Score {
  std::size_t of = 0, absent = 0, reachable = 0, ranked = 0, strict = 0, quoted = 0, refused_right = 0,
              refused_wrong = 0;
};
void print(const char* name, const Score& s) {
  auto share = [&](std::size_t n) {
    return s.of == 0 ? 0 : 100.0 * static_cast<double>(n) / static_cast<double>(s.of);
  };
  std::printf(
      "%-16s %3zu questions, %2zu absent (%zu refused); in reach %3zu, ranked first %3zu, wrongly refused "
      "%2zu; right "
      "%3zu = %.1f %%, within what is quoted %3zu = %.1f %%\n",
      name, s.of, s.absent, s.refused_right, s.reachable, s.ranked, s.refused_wrong, s.strict,
      share(s.strict), s.quoted, share(s.quoted));
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 3 && arguments[0] == "--explain") return explain(arguments[1], arguments[2]);
  std::string target, show;
  while (!arguments.empty() && arguments.front().starts_with("--")) {
    std::string& value = arguments.front() == "--write" ? target : show;
    if (arguments.size() > 1) value = arguments[1], arguments.erase(arguments.begin());
    arguments.erase(arguments.begin());
  }
  std::vector<Case> cases;
  for (std::size_t i = 0; i + 1 < arguments.size(); i += 2)
    for (Case& c : collect(arguments[i], arguments[i + 1])) cases.push_back(std::move(c));
  std::fprintf(stderr, "%zu questions asked in %.0f s of CPU time\n", cases.size(),
               static_cast<double>(std::clock()) / CLOCKS_PER_SEC);
  if (cases.empty()) {
    std::fprintf(
        stderr, "offline_train: no questions\n  remedy: name a folder made by corpus.sh and its questions\n");
    return 2;
  }
  std::map<std::string, std::size_t> fold;
  for (const Case& c : cases) fold.try_emplace(c.row.group(), fold.size() % kFolds);
  auto usable = [&](std::size_t without) {
    std::vector<const Case*> out;
    for (const Case& c : cases)
      if (c.any_right && fold.at(c.row.group()) != without) out.push_back(&c);
    return out;
  };
  std::vector<Flat> held;
  for (std::size_t k = 0; k < kFolds; ++k) held.push_back(fit(usable(k)));
  std::vector<std::pair<const Case*, Verdict>> verdicts;
  for (const Case& c : cases) verdicts.emplace_back(&c, judge(c, held[fold.at(c.row.group())]));
  std::map<std::string, Score> scores;
  for (std::size_t k = 0; k < kFolds; ++k) {
    std::vector<std::pair<const Case*, Verdict>> others;
    for (const auto& each : verdicts)
      if (fold.at(each.first->row.group()) != k) others.push_back(each);
    const Signs w = fit_signs(others);
    for (const auto& [c, verdict] : verdicts) {
      if (fold.at(c->row.group()) != k) continue;
      const double sure = verdict.any ? probability(w, verdict.signs) : 0;
      const bool answers = sure >= kEnough;
      for (Score* s : {&scores[c->row.set], &scores["all"]}) {
        ++s->of;
        s->absent += c->row.absent() ? 1 : 0;
        s->reachable += c->any_right ? 1 : 0;
        s->ranked += verdict.first ? 1 : 0;
        s->refused_right += c->row.absent() && !answers ? 1 : 0;
        s->refused_wrong += !c->row.absent() && !answers ? 1 : 0;
        s->strict += c->row.absent() ? !answers : answers && verdict.first;
        s->quoted += c->row.absent() ? !answers : answers && verdict.quoted;
      }
      if (!show.empty() && c->row.set.starts_with(show)) {
        if (c->row.absent() ? answers : !answers) {
          std::printf("%s (%.2f) %s\n", answers ? "ANSWERED" : "REFUSED", sure, c->row.question.c_str());
          for (std::size_t i = 0; i < kSigns; ++i)
            std::printf(" %s %.2f*%.2f", std::string(name_of(static_cast<Sign>(i))).c_str(), verdict.signs[i],
                        w[i]);
          std::printf("\n");
        }
        if (!c->row.absent() && !verdict.first) print_difference(*c, held[k]);
      }
    }
  }
  for (const auto& [name, s] : scores) print(name.c_str(), s);
  if (target.empty()) return 0;
  const Flat w = fit(usable(kFolds));
  write(target, w);
  write_signs(target, fit_signs(verdicts));
  return 0;
}
