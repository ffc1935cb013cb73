#include "edc/scope.hpp"

#include "edc/text.hpp"

#include <algorithm>
#include <iterator>

namespace edc {
namespace {

struct class_of_domains {
    std::string_view name;
    std::string_view domains; // each between blanks
};

constexpr class_of_domains classes[] = {
    {"EVENTS", " AE BE CE DE DS DT DV EM HO MH "},
    {"INTERVENTIONS", " AG CM DX EC EX ML PR SU "},
    {"FINDINGS", " BG BS BW CL CP CV DA DD DU EG FT FW GF GT IE IS LB MA MB MI MK MS NV OE OM PC "
                 "PE PM PP PT QS "
                 "RE RP RS SC SS TF TR TU UR VS "},
    {"FINDINGS ABOUT", " FA SR "},
    {"SPECIAL PURPOSE", " CO DM DR IN IQ IT PD SE SJ SM SV "},
    {"TRIAL DESIGN", " TA TD TE TI TM TS TV TX "},
    {"STUDY REFERENCE", " DI DO ES OI TO "},
    {"RELATIONSHIP", " POOLDEF RELREC RELREF RELSPEC RELSUB SUPPQUAL "},
};

struct tig_list {
    std::string_view substandard;
    std::string_view use_case;
    std::string_view domains;
};

constexpr tig_list tig_lists[] = {
    {"SDTM", "INDH",
     " AE CM CO DA DI DM DO DS DU DV EC EG EM EX FA IE LB MH PC PP QS RE RELREC SC SE SU SV TA TE "
     "TI "
     "TS TV VS "},
    {"SDTM", "PROD", " ES IN IQ IT PD PT TO "},
    {"SEND", "NONCLIN",
     " BW CL CO CV DD DI DM DS DU EG EX FW GT LB MA MI OM PK PM POOLDEF PP RE RELREC RELREF SC SE "
     "TA "
     "TE TF TS TX VS "},
};

bool lists(std::string_view words, std::string_view word) {
    if (word.empty() || word.find(' ') != std::string_view::npos)
        return false;
    std::string padded = " ";
    padded += word;
    padded += ' ';
    return words.find(padded) != std::string_view::npos;
}

bool holds(const std::vector<std::string>& list, std::string_view word) {
    return std::find(list.begin(), list.end(), word) != list.end();
}

std::string_view class_named(std::string_view domain) {
    for (const auto& each : classes)
        if (lists(each.domains, domain))
            return each.name;
    return {};
}

bool is_persons_domain(const std::optional<std::string>& domain) {
    return domain && length_of(*domain) == 4 && domain->starts_with("AP");
}

std::optional<std::string> first_value(const table& of, std::string_view name) {
    const auto* found = of.find(name);
    if (found == nullptr || of.records() == 0 || is_empty(found->cells.front()))
        return std::nullopt;
    return text_of(found->cells.front());
}

std::string_view detect_class(const table& of, const table_facts& facts) {
    if (facts.supplemental)
        return "RELATIONSHIP";
    if (const auto known = class_named(facts.base_name); !known.empty())
        return known;
    if (facts.domain) {
        const auto has = [&](std::string_view ending) {
            return of.find(*facts.domain + std::string{ending}) != nullptr;
        };
        if (has("TERM"))
            return "EVENTS";
        if (has("TRT"))
            return "INTERVENTIONS";
        if (has("QNAM"))
            return "RELATIONSHIP";
        if (has("TESTCD"))
            return has("OBJ") ? "FINDINGS ABOUT" : "FINDINGS";
    }
    return facts.associated_persons ? class_named(facts.prefix) : std::string_view{};
}

bool use_case_fits(const scope& s, const table_facts& facts, const environment& env) {
    if (s.use_cases.empty() || upper_ascii(env.product) != "TIG")
        return true;
    const auto& domain = facts.supplemental ? facts.related_domain : facts.domain;
    const auto substandard = upper_ascii(env.substandard);
    bool known = false;
    for (const auto& list : tig_lists) {
        if (!domain || !lists(list.domains, *domain))
            continue;
        known = true;
        if (list.substandard == substandard && holds(s.use_cases, list.use_case))
            return true;
    }
    return !known && holds(s.use_cases, env.use_case);
}

bool domain_listed(const std::vector<std::string>& list, const table_facts& facts) {
    if ((facts.domain && holds(list, *facts.domain)) || holds(list, facts.name) ||
        holds(list, "ALL"))
        return true;
    return (facts.supplemental || facts.associated_persons) &&
           (holds(list, "SUPP--") || holds(list, "SQ--") || holds(list, "AP--") ||
            holds(list, "APFA--"));
}

bool class_listed(const std::vector<std::string>& list, const table_facts& facts) {
    return !facts.table_class.empty() &&
           (holds(list, facts.table_class) ||
            (facts.table_class == "FINDINGS ABOUT" && holds(list, "FINDINGS")));
}

} // namespace

bool is_known_class(std::string_view name) noexcept {
    return std::any_of(std::begin(classes), std::end(classes), [&](const class_of_domains& each) {
        return each.name == name;
    });
}

table_facts facts_of(const table& of) {
    table_facts facts;
    facts.name = of.name();
    facts.domain = first_value(of, "DOMAIN");
    const bool supp = facts.name.starts_with("SUPP");
    facts.supplemental = supp || facts.name.starts_with("SQ");
    if (facts.supplemental) {
        facts.related_domain = first_value(of, "RDOMAIN");
        facts.associated_persons = is_persons_domain(facts.related_domain);
    } else {
        facts.associated_persons = of.find("APID") != nullptr || is_persons_domain(facts.domain);
    }
    if (facts.domain)
        facts.base_name = *facts.domain;
    else if (facts.supplemental && facts.related_domain)
        facts.base_name = (supp ? "SUPP" : "SQ") + *facts.related_domain;
    else
        facts.base_name = facts.name;
    if (facts.domain) {
        facts.prefix = facts.associated_persons && length_of(*facts.domain) >= 4
                           ? facts.domain->substr(first_characters(*facts.domain, 2).size())
                           : *facts.domain;
    }
    facts.table_class = detect_class(of, facts);
    return facts;
}

bool in_scope(const scope& s, const table_facts& facts, const environment& env) {
    if (!use_case_fits(s, facts, env))
        return false;
    if (!s.include_domains.empty() && !domain_listed(s.include_domains, facts))
        return false;
    if (!s.exclude_domains.empty() &&
        (domain_listed(s.exclude_domains, facts) || holds(s.exclude_domains, facts.base_name)))
        return false;
    if (holds(s.include_classes, "ALL"))
        return true; // Exclude is not looked at
    if (!s.include_classes.empty() && !class_listed(s.include_classes, facts))
        return false;
    return !class_listed(s.exclude_classes, facts) && !holds(s.exclude_classes, "ALL");
}

std::vector<table_group> group_tables(const study_case& data) {
    std::vector<table_group> groups;
    for (std::size_t i = 0; i < data.tables.size(); ++i) {
        auto facts = facts_of(data.tables[i]);
        const auto known =
            std::find_if(groups.begin(), groups.end(), [&](const table_group& group) {
                return group.facts.base_name == facts.base_name;
            });
        if (known == groups.end())
            groups.push_back({std::move(facts), {i}});
        else if (known->facts.name != known->facts.base_name)
            known->parts.push_back(i);
    }
    return groups;
}

table concatenated(const study_case& data, const table_group& group) {
    table out{data.tables[group.parts.front()].name()};
    for (const auto part : group.parts)
        for (const auto& each : data.tables[part].columns())
            out.add_column(each.name, each.type); // a known name stays as it is
    for (const auto part : group.parts) {
        const table& from = data.tables[part];
        const auto first = out.records();
        for (std::size_t i = 0; i < from.records(); ++i)
            out.add_record(from.name(), i + 1);
        for (const auto& each : from.columns()) {
            const auto at = *out.index_of(each.name);
            for (std::size_t i = 0; i < from.records(); ++i)
                out.set(at, first + i, each.cells[i]);
        }
    }
    return out;
}

} // namespace edc
