#include "store/store.hpp"
#include "store/times.hpp"

namespace server::sql {

namespace durable = corogate::durable;

// ---- uploaded rules ----

namespace {

std::vector<rule_record> read_rules(durable::statement rows) {
    std::vector<rule_record> rules;
    while (rows.step()) {
        auto& rule = rules.emplace_back();
        rule.study = rows.text(0);
        rule.id = rows.text(1);
        rule.text = rows.text(2);
    }
    return rules;
}

} // namespace

std::vector<rule_record> rules_of(durable::database& db, const std::string& study) {
    return read_rules(db.query("SELECT study,id,text FROM rule WHERE study=?1 ORDER BY id", study));
}

std::vector<rule_record> all_rules(durable::database& db) {
    return read_rules(db.query("SELECT study,id,text FROM rule ORDER BY study,id"));
}

bool put_rule(durable::database& db, const rule_record& rule) {
    if (db.run(
            "UPDATE rule SET text=?3 WHERE study=?1 AND id=?2", rule.study, rule.id, rule.text
        ) == 1)
        return true;
    db.run("INSERT INTO rule(study,id,text) VALUES(?1,?2,?3)", rule.study, rule.id, rule.text);
    return false;
}

bool remove_rule(durable::database& db, const std::string& study, const std::string& id) {
    return db.run("DELETE FROM rule WHERE study=?1 AND id=?2", study, id) == 1;
}

// ---- used keys ----

std::optional<key_record> find_key(
    durable::database& db, const std::string& scope, const std::string& key, timestamp not_before
) {
    auto row = db.query(
        "SELECT digest,form,job,status,answer,used_at FROM used_key"
        " WHERE scope=?1 AND key=?2 AND used_at>=?3",
        scope, key, to_micros(not_before)
    );
    if (!row.step())
        return std::nullopt;
    key_record found;
    found.scope = scope;
    found.key = key;
    found.digest = row.text(0);
    found.form = row.text(1);
    found.job = row.text(2);
    found.status = row.integer(3);
    found.answer = row.text(4);
    found.used_at = from_micros(row.integer(5));
    return found;
}

std::optional<key_record>
use_key(durable::database& db, const key_record& key, timestamp not_before) {
    if (auto used = find_key(db, key.scope, key.key, not_before))
        return used;
    // A new key pays for some old ones: two for one, so that they never pile up.
    constexpr int some = 2;
    db.run("DELETE FROM used_key WHERE scope=?1 AND key=?2", key.scope, key.key);
    db.run(
        "DELETE FROM used_key WHERE rowid IN"
        " (SELECT rowid FROM used_key WHERE used_at<?1 ORDER BY used_at LIMIT ?2)",
        to_micros(not_before), some
    );
    db.run(
        "INSERT INTO used_key(scope,key,digest,form,job,status,answer,used_at)"
        " VALUES(?1,?2,?3,?4,?5,?6,?7,?8)",
        key.scope, key.key, key.digest, key.form, key.job, key.status, key.answer,
        to_micros(key.used_at)
    );
    return std::nullopt;
}

void answer_key(durable::database& db, const key_record& key) {
    db.run(
        "UPDATE used_key SET status=?3, answer=?4 WHERE scope=?1 AND key=?2", key.scope, key.key,
        key.status, key.answer
    );
}

} // namespace server::sql
