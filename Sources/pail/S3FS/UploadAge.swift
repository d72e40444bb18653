/// The least age of unfinished uploads that `--incomplete-mpu-abort` removes: `all`, or as s3fs writes it `1Y6M10D12h30m30s`,
/// in this order, each part at most once; a year has 365 days, a month 30.
struct UploadAge: Sendable, Equatable {
    /// In seconds.
    var seconds: Int64

    /// Without a value: a day.
    static let standard = UploadAge(seconds: 86400)

    init(seconds: Int64) { self.seconds = seconds }

    init?(_ text: String) {
        if text == "all" || text == "ALL" {
            seconds = 0
            return
        }
        let units: [(letter: Character, seconds: Int64)] = [
            ("Y", 365 * 86400), ("M", 30 * 86400), ("D", 86400), ("h", 3600), ("m", 60), ("s", 1),
        ]
        var rest = text[...]
        var next = 0
        var total: Int64 = 0
        while !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isWholeNumber }
            rest = rest.dropFirst(digits.count)
            guard let number = Int64(digits), number < 1_000_000, let letter = rest.popFirst(),
                let index = units[next...].firstIndex(where: { $0.letter == letter })
            else { return nil }
            total += number * units[index].seconds
            next = index + 1
        }
        guard next > 0 else { return nil }
        seconds = total
    }
}
