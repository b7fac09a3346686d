// Fits the weights of the offline model's ranking (beluga/llm/providers/offline/internal/weights.hpp).
//
//   offline_train [--write weights.hpp] [--show] FOLDER questions.tsv [FOLDER questions.tsv ...]
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
constexpr double kGroupPenalty = 2;  // what a group adds must earn it
constexpr std::uint32_t kSteps = 6;
constexpr std::size_t kKept = 250;  // sentences of a question, the best by the weights at hand

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
  double coverage = 0;
  std::string text;
};
struct Case {
  Row row;
  unsigned group = 0;  // column of the weights
  std::vector<Option> sentences;
  bool any_right = false;
};

double score(const Flat& w, const Sparse& f, unsigned group) {
  double sum = 0;
  for (const auto& [at, value] : f) sum += (w[at] + w[at + group]) * value;
  return sum;
}

Flat flat(const Weights& weights) {
  Flat out{};
  for (std::size_t f = 0; f < kFeatures; ++f)
    for (std::size_t g = 0; g < kColumns; ++g) out[f * kColumns + g] = weights[f][g];
  return out;
}

const Option* best(const Case& c, const Flat& w) {
  const Option* top = nullptr;
  double most = -1e300;
  for (const Option& s : c.sentences)
    if (double value = score(w, s.features, c.group); value > most) most = value, top = &s;
  return top;
}

/// Maximises the log-likelihood of the right sentences with Adam (Kingma and Ba 2015), full batches.
Flat fit(const std::vector<const Case*>& cases, const Flat& start, double penalty) {
  Flat w = start, m{}, v{};
  constexpr double kRate = 0.05, b1 = 0.9, b2 = 0.999;
  for (int step = 1; step <= 250; ++step) {
    Flat gradient{};
    for (const Case* c : cases) {
      double top = -1e300;
      std::vector<double> p(c->sentences.size());
      for (std::size_t i = 0; i < p.size(); ++i)
        top = std::max(top, p[i] = score(w, c->sentences[i].features, c->group));
      double all = 0, right = 0;
      for (std::size_t i = 0; i < p.size(); ++i) {
        all += p[i] = std::exp(p[i] - top);
        if (c->sentences[i].right) right += p[i];
      }
      if (right <= 0) continue;
      for (std::size_t i = 0; i < p.size(); ++i) {
        double pull = (c->sentences[i].right ? p[i] / right : 0) - p[i] / all;
        if (std::abs(pull) < 1e-7) continue;
        for (const auto& [at, value] : c->sentences[i].features) {
          gradient[at] += pull * value;
          gradient[at + c->group] += pull * value;
        }
      }
    }
    for (std::size_t f = 0; f < w.size(); ++f) {
      double g = gradient[f] / static_cast<double>(cases.size()) -
                 penalty * (f % kColumns == 0 ? 1 : kGroupPenalty) * w[f];
      m[f] = b1 * m[f] + (1 - b1) * g;
      v[f] = b2 * v[f] + (1 - b2) * g * g;
      w[f] += kRate * (m[f] / (1 - std::pow(b1, step))) / (std::sqrt(v[f] / (1 - std::pow(b2, step))) + 1e-8);
    }
  }
  return w;
}

std::vector<Case> collect(const std::string& folder, const std::string& questions) {
  const Corpus corpus(folder);
  std::vector<Case> cases;
  auto recorder = std::make_shared<Recorder>(llm::open("offline"));
  const Agent agent{{.name = "librarian",
                     .model = recorder,
                     .tools = tool::builtin::standard({.root = folder}),
                     .budget = {.max_steps = kSteps}}};
  for (Row& row : offline_eval::read_questions(questions)) {
    if (row.absent()) continue;
    Case c;
    c.row = row;
    Result<Reply> reply = attempt([&] { return agent.invoke(row.question); });
    std::vector<Inquiry> asked = inquiries(recorder->last);
    if (!asked.empty()) {
      const Inquiry& q = asked.front();
      c.group = 1 + static_cast<unsigned>(group_of(q.question));
      for (const Candidate& each : rank(q.question, q.passages, q.hints, kKept)) {
        std::string text = compose(q.question, q.passages, each);
        bool right = offline_eval::grade(row, text, corpus).empty();
        c.any_right = c.any_right || right;
        Sparse features;
        for (unsigned f = 0; f < kFeatures; ++f)
          if (each.features[f] != 0.0)
            features.emplace_back(f * static_cast<unsigned>(kColumns), each.features[f]);
        c.sentences.push_back({std::move(features), right, each.coverage, std::move(text)});
      }
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

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> arguments(argv + 1, argv + argc);
  std::string target;
  bool show = false;
  while (!arguments.empty() && arguments.front().starts_with("--")) {
    if (arguments.front() == "--show") show = true;
    if (arguments.front() == "--write" && arguments.size() > 1) {
      target = arguments[1];
      arguments.erase(arguments.begin());
    }
    arguments.erase(arguments.begin());
  }
  std::vector<Case> cases;
  for (std::size_t i = 0; i + 1 < arguments.size(); i += 2)
    for (Case& c : collect(arguments[i], arguments[i + 1])) cases.push_back(std::move(c));
  if (cases.empty()) {
    std::fprintf(
        stderr, "offline_train: no questions\n  remedy: name a folder made by corpus.sh and its questions\n");
    return 2;
  }
  std::vector<const Case*> usable;
  std::size_t reachable = 0, as_is = 0;
  std::map<std::string, std::size_t> fold;
  for (const Case& c : cases) {
    fold.try_emplace(c.row.group(), fold.size() % kFolds);
    if (!c.any_right) continue;
    ++reachable;
    usable.push_back(&c);
    if (const Option* s = best(c, flat(fitted_weights())); s != nullptr && s->right) ++as_is;
  }
  auto share = [&](std::size_t n) {
    return 100.0 * static_cast<double>(n) / static_cast<double>(cases.size());
  };
  std::printf("%zu questions with an answer; a right sentence is in the evidence of %zu (%.1f %%)\n",
              cases.size(), reachable, share(reachable));
  std::printf("weights as built: %zu (%.1f %%)\n", as_is, share(as_is));
  double best_penalty = 0;
  std::size_t most = 0;
  const Flat zero{};
  for (double penalty : {0.002, 0.004}) {
    std::size_t right = 0, trained = 0;
    for (std::size_t k = 0; k < kFolds; ++k) {
      std::vector<const Case*> others;
      for (const Case* c : usable)
        if (fold.at(c->row.group()) != k) others.push_back(c);
      Flat w = fit(others, zero, penalty);
      for (const Case& c : cases)
        if (fold.at(c.row.group()) == k)
          if (const Option* s = best(c, w); s != nullptr && s->right) ++right;
    }
    Flat w = fit(usable, zero, penalty);
    for (const Case& c : cases)
      if (const Option* s = best(c, w); s != nullptr && s->right) ++trained;
    std::printf("penalty %.3f: cross-validated %zu (%.1f %%), in training %zu (%.1f %%)\n", penalty, right,
                share(right), trained, share(trained));
    if (right > most) most = right, best_penalty = penalty;
  }
  Flat w = fit(usable, zero, best_penalty);
  if (show)
    for (std::size_t k = 0; k < kFolds; ++k) {
      std::vector<const Case*> others;
      for (const Case* c : usable)
        if (fold.at(c->row.group()) != k) others.push_back(c);
      Flat held = fit(others, zero, best_penalty);
      for (const Case& c : cases)
        if (fold.at(c.row.group()) == k)
          if (const Option* s = best(c, held); s == nullptr || !s->right) print_difference(c, held);
    }
  if (target.empty())
    for (std::size_t f = 0; f < kFeatures; ++f)
      std::printf("%-20s %6.2f\n", std::string(name_of(static_cast<Feature>(f))).c_str(), w[f * kColumns]);
  else
    write(target, w);
  return 0;
}
