#include "edc/duration.hpp"

#include "support.hpp"

BOOST_AUTO_TEST_SUITE(duration)

BOOST_AUTO_TEST_CASE(forms) {
    for (const char* text :
         {"P1Y2M3D", "P1.5D", "PT1,5H", "P2W", "P1Y", "PT5M", "P1DT2H3M4.5S", "P1.5W", "P10Y",
          "-P1D"})
        BOOST_TEST(edc::is_duration(text, true), text);
    for (const char* text :
         {"P",    "PT",    "P1DT", "P1Y2W", "P1.5DT2H", "P1D2M", "1Y",     "",       "-",
          "-P",   "P1W2D", "PT1W", "P1",    "P.5D",     "P1.D",  "PT1S1M", "P1YT1Y", "p1d",
          "+P1D", "P1D ",  " P1D", "--P1D", "P-1D",     "PTT1H", "P1Y1Y"})
        BOOST_TEST(!edc::is_duration(text, true), text);
}

BOOST_AUTO_TEST_CASE(a_sign_only_where_allowed) {
    BOOST_TEST(edc::is_duration("-P2W", true));
    BOOST_TEST(!edc::is_duration("-P2W", false));
    BOOST_TEST(edc::is_duration("P2W", false));
}

BOOST_AUTO_TEST_SUITE_END()
