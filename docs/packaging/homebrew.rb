class Kaccess < Formula
  desc "Explains why you cannot get into a Kubernetes cluster"
  homepage "@URL@"
  version "@VERSION@"
  license "Apache-2.0"

@ARCHIVES@
  def install
    bin.install "kaccess"
    bin.install_symlink "kaccess" => "kubectl-kaccess"
    man1.install Dir["man/*.1"]
    bash_completion.install "completion/kaccess.bash" => "kaccess" if File.exist?("completion/kaccess.bash")
    zsh_completion.install "completion/kaccess.zsh" => "_kaccess" if File.exist?("completion/kaccess.zsh")
    fish_completion.install "completion/kaccess.fish" if File.exist?("completion/kaccess.fish")
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/kaccess version")
    assert_match "issuer-blocks-control-plane", shell_output("#{bin}/kaccess doctor --demo --short", 1)
  end
end
