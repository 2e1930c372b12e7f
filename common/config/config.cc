#include "common/config/config.h"

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace parley {
namespace {

std::string EnvironmentNameOf(const std::string& name) {
  return absl::StrCat("PARLEY_", absl::AsciiStrToUpper(absl::StrReplaceAll(name, {{"-", "_"}})));
}

void Publish(const std::string& name, CLI::Option* option) {
  option->envname(EnvironmentNameOf(name))->capture_default_str();
}

}  // namespace

struct Config::Secret {
  CLI::App* app;
  std::string name;
  std::string* value;
  std::string file;
  bool required;

  // The reason why there is no value; empty where there is one.
  std::string Read() {
    const std::string variable = EnvironmentNameOf(name);
    if (!file.empty()) {
      std::ifstream stream(file);
      std::stringstream content;
      if (!stream || !(content << stream.rdbuf())) return absl::StrCat("--", name, "-file: cannot read ", file);
      *value = content.str();
      while (!value->empty() && (value->back() == '\n' || value->back() == '\r')) value->pop_back();
    } else if (const char* set = std::getenv(variable.c_str())) {
      *value = set;
    }
    if (value->empty() && required) return absl::StrCat("set ", variable, ", or --", name, "-file FILE");
    return "";
  }
};

Config::Config(const std::string& program, const std::string& purpose)
    : app_(std::make_unique<CLI::App>(purpose, program)), adding_to_(app_.get()) {
  app_->get_formatter()->column_width(44);
}

Config::~Config() = default;

void Config::Add(const std::string& name, std::string& value, const std::string& help) {
  Publish(name, adding_to_->add_option("--" + name, value, help));
}

void Config::Add(const std::string& name, int& value, const std::string& help, int min, int max) {
  Publish(name, adding_to_->add_option("--" + name, value, help)->check(CLI::Range(min, max)));
}

void Config::Add(const std::string& name, double& value, const std::string& help, double min, double max) {
  auto* option = adding_to_->add_option("--" + name, value, help)->check(CLI::Range(min, max));
  // Range lets NaN pass.
  option->check([](const std::string& text) { return std::isnan(std::atof(text.c_str())) ? "must be a number" : ""; });
  Publish(name, option);
}

void Config::Add(const std::string& name, bool& value, const std::string& help) {
  Publish(name, adding_to_->add_option("--" + name, value, help));
}

void Config::Add(const std::string& name, std::string& value, const std::string& help,
                 const std::vector<std::string>& choices) {
  Publish(name, adding_to_->add_option("--" + name, value, help)->check(CLI::IsMember(choices)));
}

void Config::Add(const std::string& name, absl::Duration& value, const std::string& help) {
  auto set = [&value, name](const std::string& text) {
    absl::Duration parsed;
    if (!absl::ParseDuration(text, &parsed) || parsed <= absl::ZeroDuration()) {
      throw CLI::ValidationError("--" + name, absl::StrCat(text, " is not a positive duration such as 500ms or 1m30s"));
    }
    value = parsed;
  };
  adding_to_->add_option_function<std::string>("--" + name, set, help)
      ->envname(EnvironmentNameOf(name))
      ->type_name("DURATION")
      ->default_str(absl::FormatDuration(value));
}

void Config::AddSecret(const std::string& name, std::string& value, const std::string& help, bool required) {
  secrets_.push_back(std::make_unique<Secret>(Secret{adding_to_, name, &value, "", required}));
  adding_to_
      ->add_option("--" + name + "-file", secrets_.back()->file,
                   absl::StrCat(help, " A file that holds it, in place of the environment variable ",
                                EnvironmentNameOf(name), "."))
      ->envname(EnvironmentNameOf(name) + "_FILE")
      ->type_name("FILE");
}

void Config::Required() { adding_to_->get_options().back()->required(); }

void Config::EnvironmentName(const std::string& variable) { adding_to_->get_options().back()->envname(variable); }

void Config::Subcommand(const std::string& name, const std::string& purpose) {
  app_->require_subcommand(1);
  CLI::App* parent = app_.get();
  const size_t space = name.find(' ');
  if (space != std::string::npos) {
    CLI::App*& group = groups_[name.substr(0, space)];
    if (group == nullptr) group = app_->add_subcommand(name.substr(0, space), "See its --help.")->require_subcommand(1);
    parent = group;
  }
  adding_to_ = parent->add_subcommand(name.substr(space + 1), purpose);
}

void Config::AddArgument(const std::string& name, std::string& value, const std::string& help, bool required) {
  adding_to_->add_option(name, value, help)->required(required);
}

std::string Config::subcommand() const {
  std::string name;
  for (auto given = app_->get_subcommands(); !given.empty(); given = given.front()->get_subcommands()) {
    absl::StrAppend(&name, name.empty() ? "" : " ", given.front()->get_name());
  }
  return name;
}

std::optional<int> Config::Parse(int argc, char** argv) {
  try {
    app_->parse(argc, argv);
  } catch (const CLI::Success& help) {
    return app_->exit(help);
  } catch (const CLI::ParseError& error) {
    std::cerr << app_->get_name() << ": " << error.what() << "\nTry --help.\n";
    return 2;
  }
  std::optional<int> exit_code;
  for (const auto& secret : secrets_) {
    if (!secret->app->parsed()) continue;
    const std::string reason = secret->Read();
    if (reason.empty()) continue;
    std::cerr << app_->get_name() << ": " << reason << "\n";
    exit_code = 2;
  }
  return exit_code;
}

}  // namespace parley
