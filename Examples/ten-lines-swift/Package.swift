// swift-tools-version: 6.2
import PackageDescription

let package = Package(
    name: "ten-lines",
    dependencies: [.package(name: "stlm", path: "../..")],
    targets: [.executableTarget(name: "ten-lines", dependencies: [.product(name: "STLM", package: "stlm")])]
)
