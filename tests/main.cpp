#define BOOST_TEST_MODULE corogate
#include <boost/test/unit_test.hpp>
