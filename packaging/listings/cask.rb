cask "powerinfer-tray" do
  arch arm: "arm64", intel: "x86_64"

  version "$version"
  sha256 arm:   "$arm_sha256",
         intel: "$intel_sha256"

  url "https://github.com/$repository/releases/download/v#{version}/powerinfer-tray-#{version}-macos-#{arch}.dmg"
  name "PowerInfer Tray"
  desc "Runs language models on this computer for OpenAI clients"
  homepage "https://github.com/$repository"

  depends_on macos: ">= :ventura"

  app "PowerInfer Tray.app"
  binary "#{appdir}/PowerInfer Tray.app/Contents/MacOS/powerinfer-tray"

  uninstall quit: "org.powerinfer-tray.app"

  zap trash: [
    "~/Library/Application Support/PowerInferTray",
    "~/Library/LaunchAgents/org.powerinfer-tray.app.plist",
    "~/Library/Logs/PowerInferTray",
  ]
end
