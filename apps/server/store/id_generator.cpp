#include "store/id_generator.hpp"

#include <memory>
#include <random>
#include <utility>

namespace server {

id_generator::id_generator()
    : source_([device = std::make_shared<std::random_device>()] {
        const std::uint64_t high = (*device)();
        return high << 32U | (*device)();
    }) {}

id_generator::id_generator(std::function<std::uint64_t()> source)
    : source_(std::move(source)) {}

std::string id_generator::next(const char* prefix) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string id = prefix;
    const std::lock_guard lock(mutex_);
    for (int word = 0; word < 2; ++word) {
        const std::uint64_t bits = source_();
        for (int shift = 60; shift >= 0; shift -= 4)
            id += digits[bits >> static_cast<unsigned>(shift) & 0xfU];
    }
    return id;
}

} // namespace server
