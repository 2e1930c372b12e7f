#include "common/config/config.h"

#include <CLI/CLI.hpp>
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

CLI::Option* AddOption(CLI::App& app, const std::string& name, CLI::Option* option) {
  app.get_option("--" + name)->envname(EnvironmentNameOf(name))->capture_default_str();
  return option;
}

}  // namespace

struct Config::Secret {
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
    : app_(std::make_unique<CLI::App>(purpose, program)) {
  app_->get_formatter()->column_width(44);
}

Config::~Config() = default;

void Config::Add(const std::string& name, std::string& value, const std::string& help) {
  AddOption(*app_, name, app_->add_option("--" + name, value, help));
}

void Config::Add(const std::string& name, int& value, const std::string& help, int min, int max) {
  AddOption(*app_, name, app_->add_option("--" + name, value, help)->check(CLI::Range(min, max)));
}

void Config::Add(const std::string& name, double& value, const std::string& help, double min, double max) {
  AddOption(*app_, name, app_->add_option("--" + name, value, help)->check(CLI::Range(min, max)));
}

void Config::Add(const std::string& name, bool& value, const std::string& help) {
  AddOption(*app_, name, app_->add_option("--" + name, value, help));
}

void Config::Add(const std::string& name, std::string& value, const std::string& help,
                 const std::vector<std::string>& choices) {
  AddOption(*app_, name, app_->add_option("--" + name, value, help)->check(CLI::IsMember(choices)));
}

void Config::Add(const std::string& name, absl::Duration& value, const std::string& help) {
  auto set = [&value](const std::string& text) {
    absl::Duration parsed;
    if (!absl::ParseDuration(text, &parsed) || parsed <= absl::ZeroDuration()) {
      throw CLI::ValidationError(absl::StrCat(text, " is not a positive duration such as 500ms or 1m30s"));
    }
    value = parsed;
  };
  app_->add_option_function<std::string>("--" + name, set, help)
      ->envname(EnvironmentNameOf(name))
      ->type_name("DURATION")
      ->default_str(absl::FormatDuration(value));
}

void Config::AddSecret(const std::string& name, std::string& value, const std::string& help, bool required) {
  secrets_.push_back(std::make_unique<Secret>(Secret{name, &value, "", required}));
  app_->add_option("--" + name + "-file", secrets_.back()->file,
                   absl::StrCat(help, " A file that holds it, in place of the environment variable ",
                                EnvironmentNameOf(name), "."))
      ->envname(EnvironmentNameOf(name) + "_FILE")
      ->type_name("FILE");
}

void Config::Required() { app_->get_options().back()->required(); }

void Config::EnvironmentName(const std::string& variable) { app_->get_options().back()->envname(variable); }

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
    const std::string reason = secret->Read();
    if (reason.empty()) continue;
    std::cerr << app_->get_name() << ": " << reason << "\n";
    exit_code = 2;
  }
  return exit_code;
}

}  // namespace parley
