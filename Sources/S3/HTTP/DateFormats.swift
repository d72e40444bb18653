internal import ObjectStore

/// The three forms of date that S3 uses, by arithmetic alone: Foundation's formatters would cost more than the request.
enum DateFormats {
    /// `2009-10-12T17:50:30.000Z`, with any number of digits (or none) after the point and `Z` or an offset such as `+02:00`.
    ///
    /// See RFC 3339, section 5.6.
    static func parseISO8601(_ text: String) -> Timestamp? {
        var scanner = Scanner(text)
        guard let year = scanner.number(4), scanner.skip("-"), let month = scanner.number(2), scanner.skip("-"),
            let day = scanner.number(2), scanner.skip("T") || scanner.skip("t") || scanner.skip(" "),
            let hour = scanner.number(2), scanner.skip(":"), let minute = scanner.number(2), scanner.skip(":"),
            let second = scanner.number(2)
        else { return nil }
        var nanoseconds: Int32 = 0
        if scanner.skip(".") {
            var place: Int32 = 100_000_000
            var digits = 0
            while let digit = scanner.number(1) {
                nanoseconds += Int32(digit) * place
                place /= 10
                digits += 1
            }
            guard digits > 0 else { return nil }
        }
        var offset: Int64 = 0
        if !scanner.skip("Z"), !scanner.skip("z") {
            let sign: Int64
            if scanner.skip("+") { sign = 1 } else if scanner.skip("-") { sign = -1 } else { return nil }
            guard let hours = scanner.number(2), scanner.skip(":"), let minutes = scanner.number(2), hours < 24,
                minutes < 60
            else { return nil }
            offset = sign * Int64(hours * 3600 + minutes * 60)
        }
        guard scanner.isAtEnd, let seconds = seconds(year, month, day, hour, minute, second) else { return nil }
        return Timestamp(seconds: seconds - offset, nanoseconds: nanoseconds)
    }

    /// `Wed, 12 Oct 2009 17:50:00 GMT` (RFC 9110, section 5.6.7). The name of the day is not checked.
    static func parseHTTP(_ text: String) -> Timestamp? {
        guard let comma = text.utf8.firstIndex(of: UInt8(ascii: ",")) else { return nil }
        var scanner = Scanner(String(text[text.utf8.index(after: comma)...]))
        scanner.skipSpaces()
        guard let day = scanner.number(2) ?? scanner.number(1), scanner.skip(" "), let month = scanner.month(),
            scanner.skip(" "), let year = scanner.number(4), scanner.skip(" "), let hour = scanner.number(2),
            scanner.skip(":"), let minute = scanner.number(2), scanner.skip(":"), let second = scanner.number(2),
            scanner.skip(" "), scanner.skip("GMT") || scanner.skip("UTC") || scanner.skip("+0000"), scanner.isAtEnd,
            let seconds = seconds(year, month, day, hour, minute, second)
        else { return nil }
        return Timestamp(seconds: seconds)
    }

    /// `20130524T000000Z`: what Signature V4 dates requests by.
    static func basic(_ seconds: Int64) -> String {
        var days = seconds / 86_400
        var rest = seconds % 86_400
        if rest < 0 {
            days -= 1
            rest += 86_400
        }
        let (year, month, day) = civil(days)
        return String(unsafeUninitializedCapacity: 16) { output in
            var at = 0
            func put(_ number: Int64, _ digits: Int) {
                var number = number
                for place in stride(from: at + digits - 1, through: at, by: -1) {
                    output[place] = UInt8(48 + number % 10)
                    number /= 10
                }
                at += digits
            }
            put(year, 4)
            put(month, 2)
            put(day, 2)
            output[at] = UInt8(ascii: "T")
            at += 1
            put(rest / 3600, 2)
            put(rest / 60 % 60, 2)
            put(rest % 60, 2)
            output[at] = UInt8(ascii: "Z")
            return at + 1
        }
    }

    private static func seconds(_ year: Int, _ month: Int, _ day: Int, _ hour: Int, _ minute: Int, _ second: Int)
        -> Int64?
    {
        // 60 is a leap second, which Unix time does not have.
        guard month >= 1, month <= 12, day >= 1, day <= daysIn(month, year), hour < 24, minute < 60, second <= 60
        else { return nil }
        return days(year, month, day) * 86_400 + Int64(hour * 3600 + minute * 60 + min(second, 59))
    }

    private static func daysIn(_ month: Int, _ year: Int) -> Int {
        switch month {
        case 4, 6, 9, 11: 30
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        default: 31
        }
    }

    /// Days since 1970-01-01 of the Gregorian calendar, counted in years that begin in March and eras of 400 years.
    private static func days(_ year: Int, _ month: Int, _ day: Int) -> Int64 {
        let shifted = Int64(month <= 2 ? year - 1 : year)
        let era = (shifted >= 0 ? shifted : shifted - 399) / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = Int64((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1)
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    /// The date of a number of days since 1970-01-01.
    private static func civil(_ days: Int64) -> (Int64, Int64, Int64) {
        let shifted = days + 719_468
        let era = (shifted >= 0 ? shifted : shifted - 146_096) / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthIndex = (5 * dayOfYear + 2) / 153
        let month = monthIndex < 10 ? monthIndex + 3 : monthIndex - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * monthIndex + 2) / 5 + 1)
    }

    private struct Scanner {
        private static let months = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]

        private let bytes: [UInt8]
        private var index = 0

        init(_ text: String) { bytes = Array(text.utf8) }

        var isAtEnd: Bool { index == bytes.count }

        mutating func skipSpaces() { while index < bytes.count, bytes[index] == 32 { index += 1 } }

        mutating func skip(_ text: StaticString) -> Bool {
            let wanted = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
            guard bytes.count - index >= wanted.count, bytes[index..<index + wanted.count].elementsEqual(wanted) else {
                return false
            }
            index += wanted.count
            return true
        }

        mutating func number(_ digits: Int) -> Int? {
            guard bytes.count - index >= digits, let value = HTTPHeaders.parseDecimal(bytes[index..<index + digits])
            else { return nil }
            index += digits
            return Int(value)
        }

        mutating func month() -> Int? {
            guard bytes.count - index >= 3 else { return nil }
            let name = bytes[index..<index + 3].map(HTTPHeaders.lowercase)
            guard let found = Self.months.firstIndex(where: { name.elementsEqual($0.utf8) }) else { return nil }
            index += 3
            return found + 1
        }
    }
}
