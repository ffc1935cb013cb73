// The program corogate-edc, run as a user runs it.
#include "support.hpp"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <sys/wait.h>
#include <unistd.h>

BOOST_AUTO_TEST_SUITE(cli)

namespace {

namespace fs = std::filesystem;

struct answer {
    int code = -1;
    std::string out;
    std::string err;
};

/// A scratch folder with a small study, a rule and counts.
struct folder {
    fs::path root = fs::temp_directory_path() / ("corogate-edc-cli-" + std::to_string(::getpid()));

    folder() {
        write("data/_env.json", R"({"PRODUCT":"SDTMIG","VERSION":"3-4"})");
        write("data/_datasets.csv", "Filename,Label\nvs,Vital signs\n");
        write(
            "data/_variables.csv",
            "dataset,variable,label,type,length\nvs,DOMAIN,,Char,2\nvs,A,,Char,9\n"
        );
        write("data/vs.csv", "DOMAIN,A\nVS,x\nVS,\n");
        write("rules/R-1/rule.json", rule("R-1", "empty"));
        write("rules/R-2/rule.json", rule("R-2", "odd"));
        write(
            "kri.csv", "GroupID,GroupLevel,Numerator,Denominator\n0X2,Site,4,10\n0X1,Site,1,"
                       "20\n0X3,Site,1,10\n"
        );
    }
    ~folder() {
        std::error_code ignored;
        fs::remove_all(root, ignored);
    }

    static std::string rule(const std::string& id, const std::string& op) {
        return R"({"Core":{"Id":")" + id +
               R"("},"Rule Type":"Record Data","Sensitivity":"Record","Outcome":{"Message":"--X is bad"},"Check":{"name":"A","operator":")" +
               op + "\"}}";
    }

    void write(const std::string& path, const std::string& text) const {
        fs::create_directories((root / path).parent_path());
        std::ofstream{root / path} << text;
    }

    std::string read(const std::string& path) const {
        std::ifstream in{root / path, std::ios::binary};
        return {std::istreambuf_iterator<char>{in}, std::istreambuf_iterator<char>{}};
    }

    answer run(const std::string& arguments, const std::string& redirect = ">out 2>err") const {
        const auto command =
            "cd '" + root.string() + "' && '" COROGATE_EDC_TOOL "' " + arguments + " " + redirect;
        const int status = std::system(command.c_str());
        return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read("out"), read("err")};
    }
};

/// Exit 2, nothing on stdout, one sentence on stderr.
void refuses(const answer& of, const std::string& says) {
    BOOST_TEST(of.code == 2);
    BOOST_TEST(of.out.empty());
    BOOST_TEST(of.err.find(says) != std::string::npos, of.err);
    BOOST_TEST(std::count(of.err.begin(), of.err.end(), '\n') == 1, of.err);
}

constexpr const char* finding_line =
    R"({"rule":"R-1","dataset":"VS","record":2,"values":{"A":null},"message":"VSX is bad","severity":"error"})"
    "\n";

} // namespace

BOOST_AUTO_TEST_CASE(check_prints_findings_and_skips) {
    const folder at;
    const auto one = at.run("check --rule rules/R-1/rule.json --data data");
    BOOST_TEST(one.code == 0);
    BOOST_TEST(one.out == finding_line);
    BOOST_TEST(one.err.empty());
    const auto all = at.run("check --rule rules --data data");
    BOOST_TEST(all.code == 0);
    BOOST_TEST(
        all.out == std::string{finding_line} +
                       R"({"rule":"R-2","skipped":"rejected: the operator odd is not implemented"})"
                       "\n"
    );
    at.write("data/vs.csv", "DOMAIN,A\nVS,x\n");
    const auto none = at.run("check --rule rules/R-1 --data data");
    BOOST_TEST(none.code == 0); // findings or not
    BOOST_TEST(none.out.empty());
}

BOOST_AUTO_TEST_CASE(check_refuses_bad_input) {
    const folder at;
    refuses(at.run("check --rule gone --data data"), "gone");
    refuses(at.run("check --rule rules --data gone"), "gone: there is no such folder");
    refuses(at.run("check --rule rules"), "--data is required");
    refuses(at.run("check --rule data/_env.json --data data"), "not a rule");
    at.write("data/vs.csv", "DOMAIN,A\nVS,\"x\n");
    refuses(at.run("check --rule rules --data data"), "vs.csv, line 2");
    at.write("rules/R-3/rule.json", "{");
    refuses(at.run("check --rule rules --data data"), "rules/R-3/rule.json, line 1");
}

BOOST_AUTO_TEST_CASE(kri_prints_csv) {
    const folder at;
    const auto done = at.run("kri --input kri.csv --type rate --thresholds=-2,-1,2,3 "
                             "--accrual-metric Denominator --accrual-threshold 15");
    BOOST_TEST(done.code == 0);
    BOOST_TEST(done.err.empty());
    BOOST_TEST(
        done.out.find("GroupID,GroupLevel,Numerator,Denominator,Metric,Score,Flag\n0X1,Site,1,20,0."
                      "050000000000000003,-0.") == 0U,
        done.out
    );
    BOOST_TEST(
        done.out.find("\n0X2,Site,4,10,0.40000000000000002,NA,NA\n") != std::string::npos, done.out
    );
}

BOOST_AUTO_TEST_CASE(kri_refuses_bad_input) {
    const folder at;
    const std::string front = "kri --input kri.csv ";
    refuses(at.run(front + "--type odd --thresholds=1,2"), "--type must be rate or binary");
    refuses(at.run(front + "--type rate --thresholds=1,2,3"), "two or four thresholds");
    refuses(at.run(front + "--type rate --thresholds=3,2"), "ascending");
    refuses(at.run(front + "--type rate --thresholds=a,b"), "thresholds");
    refuses(at.run(front + "--type rate"), "--thresholds is required");
    refuses(
        at.run(front + "--type rate --thresholds=1,2 --accrual-metric Numerator"), "go together"
    );
    refuses(
        at.run(front + "--type rate --thresholds=1,2 --accrual-metric X --accrual-threshold 1"),
        "--accrual-metric must be"
    );
    refuses(
        at.run("kri --input gone.csv --type rate --thresholds=1,2"),
        "gone.csv: there is no such file"
    );
    at.write("kri.csv", "GroupID,Numerator,Denominator\nA,x,2\n");
    refuses(at.run(front + "--type rate --thresholds=1,2"), "kri.csv, line 2: Numerator");
}

BOOST_AUTO_TEST_CASE(help_version_and_nonsense) {
    const folder at;
    const auto help = at.run("--help");
    BOOST_TEST(help.code == 0);
    BOOST_TEST(help.out.find("check") != std::string::npos);
    BOOST_TEST(at.run("check --help").code == 0);
    const auto version = at.run("--version");
    BOOST_TEST(version.code == 0);
    BOOST_TEST(version.out.find("corogate-edc ") == 0U);
    refuses(at.run(""), "subcommand");
    refuses(at.run("nonsense"), "no command of this name");
    refuses(at.run("check --nonsense"), "--");
    BOOST_TEST(at.run("check --rule rules --data data", ">/dev/full 2>err").code == 2);
}

BOOST_AUTO_TEST_SUITE_END()
