# Asked for passwords as saslauthd is, by the servers that the scripts beside it start: any account has the one password.
# Four counted strings come (login, password, service, realm), and OK or NO goes back.
#
#   perl saslauthd.pl SOCKET PASSWORD
use strict;
use IO::Socket::UNIX;
my ($path, $password) = @ARGV;
my $door = IO::Socket::UNIX->new(Local => $path, Listen => 100) or die "$path: $!";
chmod 0777, $path;
while (my $client = $door->accept) {
    my @asked;
    for (1 .. 4) {
        read($client, my $count, 2) == 2 or last;
        read($client, my $text, unpack "n", $count);
        push @asked, $text;
    }
    my $answer = @asked == 4 && $asked[1] eq $password ? "OK" : "NO";
    print $client pack "n/a*", $answer;
    close $client;
}
