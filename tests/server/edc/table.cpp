#include "edc/table.hpp"

#include "support.hpp"

BOOST_AUTO_TEST_SUITE(table)

BOOST_AUTO_TEST_CASE(cells_have_kinds) {
    BOOST_TEST(edc::is_empty(edc::cell{}));
    BOOST_TEST(edc::is_empty(edc::cell{std::string{}}));
    BOOST_TEST(!edc::is_empty(edc::cell{std::string{"  "}})); // blanks are not empty
    BOOST_TEST(!edc::is_empty(edc::cell{0.0}));
    BOOST_TEST(!edc::is_empty(edc::cell{false}));
    BOOST_TEST(!edc::text_of(edc::cell{}).has_value());
    BOOST_TEST(edc::text_of(edc::cell{12.0}).value() == "12");
    BOOST_TEST(edc::text_of(edc::cell{true}).value() == "true");
    BOOST_TEST(edc::text_of(edc::cell{std::string{" x"}}).value() == " x");
}

BOOST_AUTO_TEST_CASE(columns_and_records_grow_together) {
    edc::table of{"VS"};
    BOOST_TEST(of.add_column("A", edc::column_type::text));
    BOOST_TEST(of.add_record() == 0U);
    BOOST_TEST(of.add_column("A ", edc::column_type::number)); // another name
    BOOST_TEST(!of.add_column("A", edc::column_type::text));
    of.set(1, 0, 3.0);
    BOOST_TEST(of.add_record() == 1U);
    BOOST_TEST(of.records() == 2U);
    BOOST_TEST(edc::is_empty(of.find("A")->cells[0]));
    BOOST_TEST(std::get<double>(of.find("A ")->cells[0]) == 3.0);
    BOOST_TEST((of.find("B") == nullptr));
    BOOST_TEST(of.dataset_of(1) == "VS");
    BOOST_TEST(of.number_of(1) == 2U);
}

BOOST_AUTO_TEST_CASE(records_may_come_from_elsewhere) {
    edc::table of{"LBCH"};
    of.add_column("A", edc::column_type::text);
    of.add_record("LBCH", 5);
    of.add_record("LBHE", 1);
    BOOST_TEST(of.dataset_of(0) == "LBCH");
    BOOST_TEST(of.number_of(0) == 5U);
    BOOST_TEST(of.dataset_of(1) == "LBHE");
    BOOST_TEST(of.number_of(1) == 1U);
}

BOOST_AUTO_TEST_SUITE_END()
