import Glibc
import Logging
import Synchronization
import Testing

@testable import S3

@Suite struct CredentialsSearchTests {
    let directory = TemporaryDirectory()

    private func search(
        _ environment: [String: String] = [:], bucket: String = "buck", anonymous: Bool = false,
        passwdFile: String? = nil,
        profile: String? = nil
    ) -> CredentialsSearch {
        var environment = environment
        environment["HOME"] = directory.path
        environment["AWS_EC2_METADATA_DISABLED"] = environment["AWS_EC2_METADATA_DISABLED"] ?? "true"
        var search = CredentialsSearch(
            bucket: bucket, isAnonymous: anonymous, passwdFile: passwdFile, profile: profile, environment: environment)
        search.paths.systemPasswd = directory.path + "/etc-passwd"
        return search
    }

    private func key(_ search: CredentialsSearch) throws(ConfigurationError) -> String? {
        try search.find().credentials?.accessKeyID
    }

    private func problem(_ search: CredentialsSearch) -> String? {
        do throws(ConfigurationError) {
            _ = try search.find()
            return nil
        } catch {
            return error.description
        }
    }

    @Test func placesInOrder() throws {
        directory.write("etc-passwd", "SYSTEM:s\n")
        #expect(try key(search()) == "SYSTEM")
        directory.write(".passwd-s3fs", "buck:HOME:s\n")
        #expect(try key(search()) == "HOME")
        #expect(try key(search(bucket: "other")) == "SYSTEM", "the first file has no key for this bucket")
        directory.write(
            ".aws/credentials",
            "[default]\naws_access_key_id=SHARED\naws_secret_access_key=s\n[w]\naws_access_key_id=W\naws_secret_access_key=s\n"
        )
        #expect(try key(search()) == "SHARED")
        #expect(try key(search(["AWS_PROFILE": "w"])) == "W")
        let named = directory.write("named", "NAMED:s\n")
        #expect(try key(search(["AWS_CREDENTIAL_FILE": named])) == "NAMED")
        let keys = [
            "AWS_ACCESS_KEY_ID": "ENV", "AWS_SECRET_ACCESS_KEY": "s", "AWS_CREDENTIAL_FILE": named, "AWS_PROFILE": "w",
        ]
        #expect(try key(search(keys)) == "ENV")
        #expect(try key(search(keys, profile: "w")) == "W", "a profile named by option counts before the environment")
        let own = directory.write("own", "OWN:s\n")
        #expect(try key(search(keys, passwdFile: own)) == "OWN")
        #expect(try search(keys, anonymous: true).find().credentials == nil)
    }

    @Test func environment() throws {
        let found = try search([
            "AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "S", "AWS_SESSION_TOKEN": "T",
        ]).find()
        #expect(found.credentials == Credentials(accessKeyID: "A", secretAccessKey: "S", sessionToken: "T"))
        #expect(try key(search(["AWSACCESSKEYID": "OLD", "AWSSECRETACCESSKEY": "S"])) == "OLD")
        #expect(problem(search(["AWS_ACCESS_KEY_ID": "A"]))?.contains("no AWS_SECRET_ACCESS_KEY") == true)
        #expect(problem(search(["AWS_SECRET_ACCESS_KEY": "SECRETWORD"]))?.contains("no AWS_ACCESS_KEY_ID") == true)
        let spaced = problem(search(["AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "SECRETWORD\n"]))
        #expect(spaced?.contains("white space") == true)
        #expect(spaced?.contains("SECRETWORD") == false)
    }

    @Test func nothingFoundNamesThePlaces() throws {
        let text = try #require(problem(search()))
        for part in ["AWS_ACCESS_KEY_ID", directory.path + "/.aws/credentials", "/.passwd-s3fs", "--anonymous"] {
            #expect(text.contains(part))
        }
    }

    @Test func aFileOpenToOthersIsAnErrorAndNotPassedOver() {
        directory.write("etc-passwd", "SYSTEM:s\n")
        let path = directory.write(".passwd-s3fs", "HOME:s\n", mode: 0o644)
        #expect(problem(search())?.contains("chmod 600 \(path)") == true)
        #expect(problem(search(passwdFile: path))?.contains("chmod 600") == true)
    }

    @Test func missingThings() {
        #expect(problem(search(passwdFile: directory.path + "/nowhere"))?.contains("no such file") == true)
        #expect(problem(search(passwdFile: directory.path))?.contains("no regular file") == true)
        #expect(problem(search(profile: "nobody"))?.contains("no profile \"nobody\"") == true)
        #expect(problem(search(["AWS_PROFILE": "nobody"]))?.contains("no profile \"nobody\"") == true)
        let path = directory.write("p", "other:A:S\n")
        #expect(problem(search(passwdFile: path))?.contains("no key for bucket \"buck\"") == true)
        directory.write(".aws/config", "[profile bare]\nregion = x\n")
        #expect(problem(search(profile: "bare"))?.contains("holds no aws_access_key_id") == true)
    }

    @Test func aFifoDoesNotHoldTheMountUp() {
        let path = directory.path + "/fifo"
        mkfifo(path, 0o600)
        #expect(problem(search(passwdFile: path))?.contains("no regular file") == true)
    }

    @Test func devNullIsAnEmptyFile() {
        let none = ["AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"]
        #expect(problem(search(none))?.contains("no credentials found") == true)
    }

    @Test func aHugeFileIsRefused() {
        let path = directory.write("huge", "")
        truncate(path, 2 << 20)
        #expect(problem(search(passwdFile: path))?.contains("longer than 1 MiB") == true)
    }

    @Test func changedFilesAreReadAgainAtMostOnceASecond() throws {
        let path = directory.write("p", "FIRST:s\n")
        let records = Records()
        let found = try SearchedCredentials(search(passwdFile: path), logger: records.logger())
        let start = ContinuousClock.now
        #expect(found.current(now: start)?.accessKeyID == "FIRST")
        directory.write("p", "SECOND-LONGER:s\n")
        #expect(found.current(now: start + .milliseconds(900))?.accessKeyID == "FIRST", "not looked at yet")
        #expect(found.current(now: start + .seconds(2))?.accessKeyID == "SECOND-LONGER")
    }

    @Test func whatIsKnownStaysWhenAFileBreaks() throws {
        let path = directory.write("p", "FIRST:s\n")
        let records = Records()
        let found = try SearchedCredentials(search(passwdFile: path), logger: records.logger())
        var now = ContinuousClock.now
        func later() -> String? {
            now += .seconds(100)
            return found.current(now: now)?.accessKeyID
        }
        directory.write("p", "SECRETWORD broken\n")
        #expect(later() == "FIRST")
        #expect(later() == "FIRST")
        #expect(records.lines.count { $0.contains("cannot be read again") } == 1, "said once")
        unlink(path)
        #expect(later() == "FIRST")
        directory.write("p", "THIRD:s\n")
        #expect(later() == "THIRD")
        #expect(records.lines.allSatisfy { !$0.contains("SECRETWORD") })
    }

    @Test func gateLetsOneCallerThroughInAnInterval() {
        let start = ContinuousClock.now
        var gate = ReloadGate(interval: .seconds(1), now: start)
        func claim(_ milliseconds: Int) -> Bool { gate.claim(now: start + .milliseconds(milliseconds)) }
        let claims = [claim(0), claim(1000), claim(5000)]
        #expect(claims == [false, true, false], "somebody is looking from 1000 on")
        gate.finish(now: start + .seconds(5))
        let later = [claim(5999), claim(6000)]
        #expect(later == [false, true])
    }
}

/// Keeps the lines of a log.
final class Records: Sendable {
    private let kept = Mutex<[String]>([])

    var lines: [String] { kept.withLock { $0 } }

    func logger() -> Logger {
        Logger(label: "test") { _ in Handler(records: self) }
    }

    private struct Handler: LogHandler {
        let records: Records
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            records.kept.withLock { $0.append("\(event.message) \(event.metadata ?? [:])") }
        }
    }
}
