import Glibc
import Logging
import Testing

@testable import pail

@Suite struct LogTests {
    @Test func textLines() {
        let line = LineLogHandler.text(
            "T", .warning, "two\nlines",
            [("key", "plain"), ("other", "with space"), ("third", "a=\"b\""), ("fourth", "")])
        #expect(line == #"T warning two\nlines key=plain other="with space" third="a=\"b\"" fourth="""#)
    }

    @Test func jsonLines() {
        let line = LineLogHandler.json("T", .error, "say \"hi\"\u{1B}[0m", [("key", "a\\b\u{7F}")])
        #expect(line == #"{"time":"T","level":"error","message":"say \"hi\"\u001b[0m","key":"a\\b\u007f"}"#)
    }

    @Test func controlCharactersAreShown() {
        #expect(Printable.line("a\nb\tc\u{1B}[2J\u{2028}\u{85}é") == "a\\nb\\tc\\u{1B}[2J\\u{2028}\\u{85}é")
        #expect(Printable.line("plain é") == "plain é")
    }

    @Test func aLoggersLinesArriveWithLevelAndMetadata() throws {
        var ends: [Int32] = [0, 0]
        try #require(pipe(&ends) == 0)
        let handler = LineLogHandler(sink: .descriptor(ends[1]), format: .text, level: .notice)
        var logger = Logger(label: "t") { _ in handler }
        logger[metadataKey: "mount"] = "/m"
        logger.info("not this")
        logger.notice("this", metadata: ["a": "1"])
        close(ends[1])
        var bytes = [UInt8](repeating: 0, count: 1000)
        let count = read(ends[0], &bytes, bytes.count)
        close(ends[0])
        let text = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self)
        #expect(text.hasSuffix("Z notice this a=1 mount=/m\n"))
        #expect(text.utf8.count == "2026-11-21T03:44:00.123Z".utf8.count + " notice this a=1 mount=/m\n".utf8.count)
    }

    @Test func aLogFileThatCannotBeOpenedIsSaid() {
        #expect(throws: CommandError.self) { try LogSink.file("/nonexistent/directory/log") }
    }
}
