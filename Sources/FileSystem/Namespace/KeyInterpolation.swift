/// Guesses names that lie a given way behind others: where in a directory a listing may begin that is to tell what comes much later.
///
/// **Problem.** A store lists from any key on, but does not say which key is the ten-thousandth from here.
///
/// **Design.** A pure value, made of names that lie near each other. A name is a number of many digits: in each place stand the
/// characters that were seen there, completed by what is of their kind (digits, hexadecimal letters, letters), in the order of keys.
/// So many names lie between the first and the last one seen, and so far apart are these two numbers; another number further on
/// is a guess. It is exact for what a counter or a hash has named, and a guess that is wrong costs a request and nothing else.
///
/// **Limits.** Places beyond the ``places``th are not looked at.
struct KeyInterpolation: Sendable {
    /// How many characters of a name count.
    static let places = 48

    /// The characters of a place, in order; an index counts from 1, and 0 stands for the name's end.
    private var alphabets: [[ClosedRange<UInt32>]] = []
    /// The number of characters of each place, and one more.
    private var bases: [Int] = []
    /// Digits of the way from the first to the last name, and how many entries were seen on it.
    private var width: [Int] = []
    private var count = 0

    /// Names in the order of keys, of which `count` entries lie from the first to the last; nil where they tell nothing.
    init?(names: [String], count: Int) {
        guard count > 1, let first = names.first, let last = names.last else { return nil }
        var seen: [Set<UInt32>] = []
        for name in names {
            for (place, scalar) in name.unicodeScalars.prefix(Self.places).enumerated() {
                if place == seen.count { seen.append([]) }
                seen[place].insert(scalar.value)
            }
        }
        alphabets = seen.map { Self.completed($0) }
        bases = alphabets.map { $0.reduce(1) { $0 + $1.count } }
        self.count = count
        let low = digits(of: first)
        let high = digits(of: last)
        guard let width = Self.difference(high, low, bases), width.contains(where: { $0 > 0 }) else { return nil }
        self.width = width
    }

    /// A text about `entries` behind `name`; nil where that is behind all names of this kind. It is nobody's name, and sorts behind all
    /// that begin as it does.
    func text(entries: Int, behind name: String) -> String? {
        guard let way = Self.product(width, by: entries, through: count, bases) else { return nil }
        return text(behind: name, by: way)
    }

    /// A text about half of the way from `low` to `high`.
    func text(between low: String, and high: String) -> String? {
        guard let whole = Self.difference(digits(of: high, endsHigh: true), digits(of: low), bases),
            let way = Self.product(whole, by: 1, through: 2, bases)
        else { return nil }
        return text(behind: low, by: way)
    }

    /// How many entries may lie between two names.
    func count(from low: String, to high: String) -> Int {
        guard let whole = Self.difference(digits(of: high, endsHigh: true), digits(of: low), bases) else { return 0 }
        var (part, all) = (0.0, 0.0)
        for (place, base) in bases.enumerated() {
            part = part * Double(base) + Double(whole[place])
            all = all * Double(base) + Double(width[place])
            // Digits behind the first of either change nothing any more.
            if all > 1e9 || part > 1e15 { break }
        }
        guard all > 0 else { return .max }
        return Int(min(1e15, part / all * Double(count)))
    }

    private func text(behind name: String, by way: [Int]) -> String? {
        guard let significant = way.firstIndex(where: { $0 > 0 }) else { return nil }
        var sum = digits(of: name)
        var carry = 0
        for place in bases.indices.reversed() {
            let digit = sum[place] + way[place] + carry
            sum[place] = digit % bases[place]
            carry = digit / bases[place]
        }
        guard carry == 0 else { return nil }
        var text = String.UnicodeScalarView()
        for (place, digit) in sum.prefix(significant + 4).enumerated() {
            guard digit > 0, let scalar = scalar(digit, at: place) else { break }
            text.append(scalar)
        }
        // The last private character of Unicode: no name that is in use ends so.
        text.append("\u{10FFFD}")
        return String(text)
    }

    // MARK: Digits

    private static func completed(_ seen: Set<UInt32>) -> [ClosedRange<UInt32>] {
        let digits: ClosedRange<UInt32> = 0x30...0x39
        let lower: ClosedRange<UInt32> = 0x61...0x7A
        let upper: ClosedRange<UInt32> = 0x41...0x5A
        var ranges: [ClosedRange<UInt32>] = []
        let hasDigits = seen.contains { digits.contains($0) }
        if hasDigits { ranges.append(digits) }
        for letters in [upper, lower] {
            let found = seen.filter { letters.contains($0) }
            guard let greatest = found.max() else { continue }
            let isHexadecimal = hasDigits && greatest <= letters.lowerBound + 5
            ranges.append(isHexadecimal ? letters.lowerBound...letters.lowerBound + 5 : letters)
        }
        let others = seen.filter { !digits.contains($0) && !lower.contains($0) && !upper.contains($0) }
        ranges += others.filter { $0 < 0x80 }.map { $0...$0 }
        for block in [0x80...0xD7FF, 0xE000...0x10FFFF] as [ClosedRange<UInt32>] {
            let found = others.filter { block.contains($0) }
            if let least = found.min(), let greatest = found.max() { ranges.append(least...greatest) }
        }
        return ranges.sorted { $0.lowerBound < $1.lowerBound }
    }

    /// A name's digits. A character that no name had there stands for the one before it; with `endsHigh`, what follows a text's
    /// last private character is the greatest there is.
    private func digits(of name: String, endsHigh: Bool = false) -> [Int] {
        var digits = [Int](repeating: 0, count: bases.count)
        var place = 0
        for scalar in name.unicodeScalars {
            guard place < bases.count else { break }
            if endsHigh, scalar.value == 0x10FFFD {
                for rest in place..<bases.count { digits[rest] = bases[rest] - 1 }
                break
            }
            digits[place] = rank(of: scalar.value, at: place)
            place += 1
        }
        return digits
    }

    private func rank(of value: UInt32, at place: Int) -> Int {
        var rank = 0
        for range in alphabets[place] {
            if value > range.upperBound { rank += range.count; continue }
            if value >= range.lowerBound { rank += Int(value - range.lowerBound) + 1 }
            break
        }
        return rank
    }

    private func scalar(_ digit: Int, at place: Int) -> Unicode.Scalar? {
        var rest = digit - 1
        for range in alphabets[place] {
            if rest < range.count { return Unicode.Scalar(range.lowerBound + UInt32(rest)) }
            rest -= range.count
        }
        return nil
    }

    private static func difference(_ high: [Int], _ low: [Int], _ bases: [Int]) -> [Int]? {
        var result = high
        var borrow = 0
        for place in bases.indices.reversed() {
            var digit = high[place] - low[place] - borrow
            borrow = digit < 0 ? 1 : 0
            if digit < 0 { digit += bases[place] }
            result[place] = digit
        }
        return borrow == 0 ? result : nil
    }

    /// A number times a fraction; nil where it is too large.
    private static func product(_ number: [Int], by factor: Int, through divisor: Int, _ bases: [Int]) -> [Int]? {
        var result = number
        var carry = 0
        for place in bases.indices.reversed() {
            let digit = number[place] * factor + carry
            result[place] = digit % bases[place]
            carry = digit / bases[place]
        }
        // Too large by itself, but perhaps not when it is divided.
        var rest = carry
        for place in bases.indices {
            let digit = rest * bases[place] + result[place]
            result[place] = digit / divisor
            rest = digit % divisor
            if result[place] >= bases[place] { return nil }
        }
        return result
    }
}
