# Reasons why `vagrant up` cannot work: each message is one line and says what to do.

require "socket"

# Emulation is slow, but it works: this is a warning.
EMULATED = "vagrant: KVM does not work here, so QEMU emulates the machine: a boot takes minutes. If this host is" \
           " a virtual machine, turn on nested virtualisation. If you are not root, join the group kvm."

def refuse(problem)
  abort "vagrant: #{problem}"
end

# Before Vagrant's own message, which is a page long.
def refuse_without_provider
  return unless ARGV.include?("up")
  return if Vagrant.has_plugin?("vagrant-libvirt") || Vagrant::Util::Which.which("VBoxManage")
  return if ENV["VBOX_INSTALL_PATH"] || ENV["VBOX_MSI_INSTALL_PATH"] # Windows

  refuse "no provider: install vagrant-libvirt (`make vagrant` does) or VirtualBox"
end

def refuse_without_box(box, catalog)
  return if !box.start_with?("laurel/") || File.exist?(catalog)

  refuse "there is no box #{box}: run `make box OS=#{box.delete_prefix('laurel/')}` first"
end

def refuse_without_libvirt
  return if system("virsh", "--quiet", "--connect", "qemu:///system", "version", out: File::NULL, err: File::NULL)

  refuse "libvirt does not answer: start it (systemctl start libvirtd), and be root or in the group libvirt"
end

def refuse_taken_port(port)
  TCPServer.new("127.0.0.1", port).close
rescue Errno::EACCES
  nil # below 1024; the provider asks for the right to use it
rescue Errno::EADDRINUSE
  refuse "port #{port} of 127.0.0.1 is in use: end the program that holds it (`vagrant halt` ends Vagrant's" \
         " own forwarding), or choose another port with HTTP_PORT="
end
