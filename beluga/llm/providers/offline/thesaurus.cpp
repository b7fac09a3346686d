#include "beluga/llm/providers/offline/internal/thesaurus.hpp"

namespace beluga::llm::offline_model {
namespace {

/// How people ask and how manuals write, as groups of words for one idea, a bar between groups. `=` marks words that may
/// stand for each other almost anywhere, `:` those that often do, `~` those that are about the same thing. Phrases are tied
/// by `_`. Words are given in their base form and stemmed when the table is read. `#` begins a remark.
constexpr std::string_view kGroups = R"(
# Taking away, keeping, adding.
: remove delete erase discard drop purge wipe clear unlink strip forget prune throw_away throw_out get_rid_of
: evict expel discard throw_out throw_away kick_out push_out eviction
: get_rid_of disable turn_off switch_off suppress off remove hide no omit
= disable turn_off switch_off deactivate inhibit | : disable prevent avoid forbid suppress stop off no without
= enable turn_on switch_on activate | : enable allow permit on use
: allow permit let may can able accept grant
: deny refuse reject forbid disallow block decline turn_down prohibit ban blacklist
: ban block jail blacklist | : never not no without ignore except exclude
: exempt ignore exclude whitelist except spare leave_alone
: skip ignore omit exclude bypass leave_out pass_over miss
: keep retain preserve save hold maintain store leave remain remember
: remember cache store save keep record ttl retain
: store save keep put place write record hold locate persist | : add append insert include attach put create
: create make generate build produce new init initialize set_up mk
: replace overwrite substitute supersede exchange swap
: change modify alter edit adjust tune tweak update set | : rename move relocate shift transfer
: copy duplicate clone mirror replicate sync synchronize | : replicate replica slave mirror duplicate
: combine merge join unite concatenate aggregate
: split divide chunk piece break_up separate cut segment volume
: extract unpack restore get_out pull_out expand
: restore recover rescue repair undelete bring_back get_back revert undo rollback
: repair fix mend correct heal recover resync | : undo revert roll_back rollback reverse cancel
: cancel abort stop interrupt terminate call_off kill | : empty blank nothing null void zero clear
: reset reinitialize zero clear restart
# Starting, stopping, waiting.
: start begin launch boot run initiate spawn startup fire_up open
= boot boot_up startup start_up system_start | : run execute invoke call launch perform start exec
: trigger cause invoke fire activate start
: stop halt quit exit end terminate finish cease shut_down close kill
= shutdown shut_down poweroff power_off halt | : restart reboot reload respawn relaunch
: reload reread re-read refresh sighup hup pick_up | : give_up quit abort fail stop abandon exceed
: disconnect drop close hang_up kick terminate cut_off log_out end | : pause suspend freeze hold stop sleep
: resume continue carry_on go_on restart pick_up unpause thaw
: wait delay sleep pause pass hold_off linger block timeout | : delay postpone defer wait later hold_back
= idle inactive inactivity unused quiet | : idle inactivity timeout sit spend no_activity do_nothing keepalive
: timeout time_out expire expiry expiration lifetime ttl deadline
: expire expiry expiration ttl lifetime age validity valid max-age old stale outdated out_of_date
: valid lifetime last good validity | : last latest recent final previous most_recent
: interval every period frequency often cycle between each regularly periodically
: often frequency interval every times rate period regularly | : poll check interval query
: duration long time length seconds period | : once one single one-time one-shot oneshot only_once first
: twice two double second
: immediately at_once instantly right_away straight_away now directly without_delay instant
: permanent permanently forever persistent always indefinite lasting persist
: temporary temporarily transient tmp temp short-term volatile
: schedule cron timer calendar periodic job timetable planned | : background daemon detach daemonize fork
: foreground attached no-daemon nodaemon | : daemon server service process background | : today date day
: midnight 00:00 daily day
# Sizes, counts, limits.
: limit cap maximum max restrict at_most most upper ceiling bound threshold up_to no_more_than quota greatest highest largest
= maximum max | = minimum min | : minimum min least at_least lower smallest lowest fewest no_less_than
: restrict limit confine constrain only | : number count amount num how_many quantity total
: try attempt retry tries retries attempts trial
: retry again repeat reattempt attempt another_try once_more retries
: repeat again recur redo iterate loop several
: concurrent parallel simultaneous at_the_same_time at_once same_time in_parallel threads jobs
: thread worker process concurrency cpu core | : big large huge size great long
: small little tiny short minimal | : bigger larger greater above exceed more over larger_than beyond
: smaller less below under fewer lower | : reach exceed exhaust hit run_out full
: full exhausted out_of fill no_space run_out memory
: grow enlarge extend expand increase resize bigger raise | : shrink reduce decrease smaller resize lower
: raise increase boost higher more up | : lower decrease reduce less down fewer
: resize size grow shrink enlarge extend reduce | : size length bytes big large long
: speed fast quick rate bandwidth throughput performance
: bandwidth rate bwlimit throttle speed traffic throughput limit-rate kbytes
: throttle slow_down rate limit shape slow | : fast quick speed accelerate faster rapid
: slow delay sluggish lazy | : average mean median | : percentage percent proportion ratio fraction share
: half 50% | : quarter 25% | : space room free capacity available
: available free spare unused remaining left | : reserve set_aside reserved hold_back
: priority nice importance weight precedence urgent preference | : level severity degree priority loglevel
: depth levels deep recursion
# Looking, showing, naming.
: show display print list output view see tell report dump reveal appear | : list show enumerate print display
: hide suppress conceal invisible mask omit | : look examine check inspect verify investigate see view
: verify check validate test confirm authenticate ensure make_sure
: test check try dry-run validate syntax simulate
= dry-run dry_run simulate simulation no-act just-print pretend what_would
: pretend simulate dry-run preview without_doing no_changes only_show
: syntax check validate parse config-test configtest
: find search locate look_up lookup discover look_for scan | : search look_up find query match grep lookup
: monitor watch observe track follow supervise check | : follow track tail watch
: compare diff differ difference comparison against | : same equal identical match equivalent
: different differ other another distinct separate | = another alternative other alternate different
: alternative instead other else rather alternate | : choose select pick decide prefer
: decide determine control govern specify set choose
: specify define set give declare configure tell indicate | : sort order arrange | : count number statistics
: statistics stats status counters info metrics | : status state condition health
: information info details data | : explain describe mean document
: mean stand_for denote indicate signify represent | : name call label title identifier
: label name tag title | : tag label mark keyword | : mark flag tag sign character symbol label
: exclamation_mark ! | : asterisk * star | : hash_sign # | : colon : | : character letter symbol sign char
: comma separator | : quote quotation escape | : comment remark hash note | : explain verbose explanation
= verbose chatty talkative verbosity | : verbose debug detail loud -v
: quiet silent suppress no_output silence mute less_output -q
: message notice text notification line warning | : banner greeting welcome message copyright startup
: page screen message | : warn warning alert notify complain caution
: alert notify mail warn notification alarm email | : notify inform tell alert signal report notification
: complain error warn warning message protest | : error fail failure problem wrong fault trouble broken bad
: fail failure error unsuccessful unable cannot go_wrong
: broken corrupt damaged bad faulty failed defective
: corrupt damage broken bad invalid inconsistency corruption
: lost missing gone absent disappeared fail failed vanished lose
: missing absent not_exist nonexistent lost not_found not_there | : crash die abort dump segfault
: dead unreachable down failed unresponsive | : alive up reachable keepalive responsive running
: reachable up respond available | : bug defect issue problem | : report file submit bug
: succeed success ok work successful | : return exit status code result
= exit_code exit_status return_code return_value exit_value
# People, accounts, rights.
: author write wrote written copyright creator developer maintain develop made implement
: invent create conceive originate start author write | : maintain maintainer author responsible
: license licence copyright terms gpl | : user account username login person people
: root superuser administrator privileged admin uid_0 | : unprivileged non-root normal ordinary regular user
: group gid groups | : anonymous guest nobody | : login log_in sign_in logon authenticate auth session
: logout log_out sign_out | = password passphrase passwd | : password passphrase secret credential pin pass
: secret key private password | : credential password user login authentication
: authenticate authentication auth login credential verify identify
: permission mode access right privilege umask chmod acl | : privilege capability right permission drop
: owner ownership own uid belong chown | : readable read-only readonly read
= read-only readonly ro not_writable write-protect | : writable write rw writeable
: everyone all anybody world any public | : impersonate behalf as_another sudo
# Files and places.
= directory folder dir | : directory folder dir path location place
: subdirectory recursive subfolder below under descend nested tree
: recursive recursively recurse descend subdirectories whole_tree deep | : file document path filename
: where path location file directory stored located | : location path place directory position located
: configuration config conf settings rc cfg configure
: setting option directive parameter variable keyword configuration value
: option flag switch argument parameter setting | : directive statement keyword option setting command line
: line directive entry keyword row | : entry record item line row | : item element entry object member
: argument parameter operand option | : environment_variable environment env variable
: log record journal syslog logfile history audit trace | = logfile log_file | : lock lockfile mutex exclusive
: pid process_id pidfile process | : socket listen endpoint unix | : temporary_file tmp tempfile scratch
: backup archive snapshot dump copy save | : archive tarball tar backup
: earlier previous old former past before preceding last
: old obsolete outdated deprecated former earlier stale | : new fresh recent newer
: unchanged same not_modified unmodified identical | : symlink symbolic_link soft_link link
: hard_link hardlink link | : link symlink hardlink | : extension suffix ending file_name
: prefix begin start leading | : suffix end trailing ending append | : home homedir $HOME ~
: disk drive device volume hdd hard_drive partition block_device storage | : drive disk device
: ssd solid_state discard trim | : trim discard unmap fstrim | : partition slice volume device
: array raid md | : stripe raid0 striped | : mirror raid1 mirrored | : hot_spare spare standby replacement
: mount attach map | : unmount umount detach | : filesystem file_system ext4 fs volume | : inode inodes files
: journal journaling log | : swap paging swapfile | : memory ram mem | : cpu processor core
: buffer cache queue | : queue backlog spool list pending waiting | : pending queued waiting outstanding
: block sector chunk page | : checksum hash digest md5 sha sum integrity
: integrity checksum verify consistency tamper | : consistent consistency coherent check
: sparse holes hole zeros | : metadata attributes header | : header heading superblock metadata
: attribute property characteristic xattr feature | : format layout type form
: template pattern skeleton sample | : pattern glob regex wildcard regular_expression match expression
: wildcard glob pattern * | : case_insensitive ignore_case upper_and_lower_case case-insensitive
: encode encoding charset character_set | : language locale | = colour color
# Compression, encryption, signing.
: compress gzip zip xz bzip2 compression pack squeeze | : uncompress decompress unpack gunzip inflate
: encrypt cipher crypto encryption scramble | : decrypt unlock open decode decipher | : unlock open decrypt
: unencrypted plaintext clear_text cleartext plain insecure | : cipher algorithm encryption aes suite
: algorithm cipher method hash | : sign signature signing certify | : signature sig sign signed
: trust trusted ownertrust believe | : untrusted unsigned unauthenticated insecure
: certificate cert x509 tls ca | : certificate_authority ca cafile cacert | : tls ssl https secure | = tls ssl
: revoke revocation crl invalidate | : key keyfile keyring | : keyring keyserver keys
: key_slot keyslot slot | : random entropy rng urandom | : secure safe security hardened protect
: protect guard secure defend prevent | : attack dos abuse brute_force flood
: smartcard smart_card card token yubikey
# Networks.
: network net lan interface | : interface nic device adapter card eth0 iface | : address ip addr host
= ip_address address ip | : host hostname machine server computer node | : machine host computer system
: peer neighbor remote other_side partner node other_end | : client peer user visitor
: server backend host upstream daemon | : backend server upstream pool | : remote server host other network
: local localhost loopback own | : port listen bind | : listen bind port accept wait_for
: connect connection session conn attach link | : connection session client conn socket | : tunnel vpn tun tap
: proxy gateway relay forward | : relay forward proxy pass_on | : forward relay redirect pass_on send_on
: redirect redirection location forward 301 302 | : route routing gateway
: firewall filter ruleset packet iptables nftables | : rule policy ruleset | : packet datagram frame
: datagram udp packet | : multicast broadcast group | : advert advertisement announce
: announce advertise broadcast publish | : dns resolver name_server nameserver domain | : domain zone dns
: resolve lookup look_up dns translate | : dhcp lease | : mtu fragment packet_size
: ping icmp keepalive probe heartbeat | : heartbeat keepalive ping health check probe | = keepalive keep_alive
: health_check check probe healthy alive | : failover standby takeover backup redundancy take_over
: master primary leader | : slave replica secondary backup standby
: load_balance balance distribute roundrobin spread | : balance distribute spread even
: sticky persistence cookie affinity same_server stick | : header field | : request query call
: response reply answer return | : reply respond response answer | : send transmit upload post deliver submit
: upload send put post | : download fetch retrieve get receive pull | : fetch download get retrieve pull
: receive get accept incoming | : incoming inbound input receive ingress
: outgoing outbound output send egress | : deliver delivery send transport | : mail email e-mail message
: mailbox inbox maildir spool | : undeliverable bounce return undelivered | : spam junk unsolicited
: sender from originator | : recipient to rcpt receiver | : browser user-agent agent | : cookie session
: url address link uri | : web http www | : website site web | : page document html | : time clock date ntp
= timezone time_zone tz | : local_time localtime timezone | : timestamp time_stamp date mtime
= timestamp time_stamp | : modification mtime changed | : access_time atime | : newer later recent after since
: older earlier before prior
# Programs, packages, the session.
: install setup add deploy | : uninstall remove purge | : upgrade update newer dist-upgrade
: downgrade older revert | : package deb software
: unneeded unused autoremove no_longer_needed orphan leftover not_needed
: dependency depend require prerequisite | : require need must necessary demand mandatory compulsory insist
: optional not_required | : hold pin freeze keep_back lock | : repository source archive repo
: mirror server archive | : source origin | : plugin module extension addon | : load import read include
: import load read_in | : export dump write_out output | : include import source pull_in
: hook script trigger handler callback | : script program command shell | : command program instruction
: program command binary executable application tool | : shell bash interactive
: interactive prompt ask confirm | : ask prompt question confirm query | : prompt ask question
: confirm ask yes assent approve | : automatic automatically auto by_itself unattended on_its_own
: manual manually by_hand | : force override even_if regardless unconditional anyway compel
: override supersede ignore | : terminal tty console screen | : window pane display region
: scroll scrollback history back_buffer | : key press keystroke binding shortcut bind | : keyboard key binding
: keystroke key press type | : press key type hit touch | : touch press physical presence
: finger fingerprint biometric | : clipboard paste copy buffer | : session attach detach
: reattach resume attach | : unit service target | : service daemon unit | : job task process work transaction
: task job work | : process pid program task | : kill terminate signal sigkill sigterm
: signal sighup sigusr1 sigterm kill | : dependency after before requires wants order
: oom out_of_memory memory_pressure | : core_dump coredump core crash
: sandbox isolate chroot container jail restrict | : chroot jail root_directory | : container namespace nspawn
: limit ulimit rlimit | : file_descriptor fd open_files descriptor | : log_level loglevel verbosity severity
: rotate rotation logrotate archive | : database db dataset | : table relation set | : set collection group
: row record entry | : value data content | : key name field | : field column attribute
: transaction commit atomic multi | : persist persistence save durable disk append-only aof
: flush sync write fsync | = sync synchronize synchronise | : snapshot dump rdb checkpoint
: publish subscribe pub/sub channel | : subscribe listen receive | : cluster nodes sharding
: script lua eval | : temperature heat celsius degrees hot warm | : self-test selftest test smart
: wear endurance health | : power energy standby spin | : spin_down standby sleep idle | : battery power ups
: hardware device physical | : driver module kernel | : kernel linux | : sensor measure reading
: measure sample reading collect | : collect gather sample read | : graph chart plot rrd
: bad_block badblocks bad_sector | : label name volume_name | : uuid identifier id | : id identifier number
: version release revision | : compatible compatibility interoperate | : support handle work understand
: supported available implemented | : obsolete deprecated legacy | : experimental beta unstable
: recommended should advised suggest best | : avoid prevent not_use | : danger risk warning caution unsafe
: safe secure harmless | : purpose use intend aim goal why reason | : reason why because cause
: effect consequence result happen | : happen occur take_place result effect | : affect influence impact
: default normal standard usual otherwise unless_configured unspecified not_set
: unless except if_not otherwise | : normally usually default ordinarily | : originally first initially
: first initial original leading | : initial first start begin | : whole entire all complete full
: partial part incomplete partly | : part portion piece section component | : part_of belong member
: contain include hold have comprise | : only just exclusively solely | : several multiple many more_than_one
: multiple several many | : single one individual sole | : individual each per single | : per each every
: total overall sum all | : extra additional further more another | : beginning start first
: end finish last final | : top first upper | : bottom last lower | : left right side
: next following subsequent | : jump go skip move | : go move jump | : sit stay remain idle | : spend take use
: offer provide present give supply | : provide supply offer give | : expose offer provide share
: share common shared export | : shared common | : private secret personal | : public open world
: read load open | : open read | : write output save store | : print output write | : output write stdout
= standard_output stdout | = standard_input stdin | = standard_error stderr | : pipe stdin stdout
: input stdin read | : convert translate transform turn_into change | : translate convert map
: map translate assign mapping | : assign set give allocate | : allocate assign reserve preallocate
: preallocate allocate falloc | : lend share loan | : wrap enclose envelop | : escape quote backslash
: expand extend substitute | : parse read interpret | : interpret treat parse read
: treat regard consider interpret handle | : consider treat regard | : handle treat process deal_with cope
: guess detect autodetect probe determine | : detect recognise discover notice find_out
= recognise recognize | : notice detect see realise | : ensure guarantee make_sure | : leave keep stay
: mix combine together | : together combine same | : alone only single | : bind tie attach
: attach connect join | : separate split own | : debug trace diagnose troubleshoot | : trace debug follow
: measure time benchmark | : benchmark performance speed test | : hang stuck block freeze
: stuck hang blocked | : busy loaded used | : overload load flood | : load average busy
: unlimited no_limit infinite infinity without_limit zero | : infinite forever endless unlimited
: negative minus no | : yes true on 1 enable | : no false off 0 disable | : hour minute second
: day week month | : year annual
# What users say, and what manuals say for it.
: flunk fail unsuccessful miss | : in_a_row consecutive successive
: in_one_go all_at_once entire whole at_once single | : run_out expire exceed exhausted elapse
: elapse pass expire | : renew refresh renegotiate rekey update extend
: reuse resume recycle cache persist keep | : ask query request send | : ask_for request require prompt
: chop strip cut cut_off remove trim truncate | : cut_off interrupt terminate truncate disconnect timeout
: strip remove chop leading | : shorten truncate abbreviate cut | : die fatal abort crash exit
: recover unrecoverable restore | : put_into_effect apply activate take_effect commit
: take_effect apply active | : turn_up appear occur show | : appear first introduce since come_up
: mistake error invalid typo syntax | : look_over check test examine review | : figure statistic number value
: statistics figures stats counter counters | : wake wake_up activate awaken resume
: wake_up activate trigger | : serve listen bind offer handle | : reachable listen accessible
: talk communicate listen send connect speak | : talk_to communicate contact connect
: contact connect reach query talk_to | : pick choose select specify | : pick_out select choose match
: pick_up read load reload detect | : sort_out fix resolve | : hold_on keep store queue retain
: hand give pass deliver | : hand_out assign allocate lease give | : give_back return release free
: free release unlock deallocate | : release free unlock drop | : take_over failover assume
: take_back revoke withdraw | : bring_up start activate enable up | : bring_down stop deactivate disable down
: set_off trigger start | : hold_up delay block | : come_back return reconnect recover
: reconnect connect_again re-establish retry | : go_away disconnect leave close
: go_back revert return previous downgrade | : go_down fail stop | : put_off defer delay postpone
: put_back restore return | : put_together combine merge assemble | : assemble start build put_together
: throw discard drop | : weed_out filter exclude remove | : leave_behind leftover remain
: leftover remaining stale orphan unused | : clean_up remove cleanup tidy purge vacuum | = cleanup clean_up
: vacuum clean_up reclaim | : reclaim free recover | : squeeze compress | : peek look view
: spell write name | : spit_out print output | : chatter verbose log | : nag warn remind
: grumble complain warn | : moan complain warn | : whine complain warn | : choke fail limit
: swallow ignore accept suppress | : stick persist remain | : pile_up accumulate queue
: accumulate gather collect | : back_up backup save | : wipe erase clear zero overwrite
: shred erase wipe overwrite | : scramble encrypt randomize | : shuffle random order
: count_as consider treat regard | : count_on rely depend | : rely depend trust | : belong owner own
: sum total add | : mid-way middle | : ahead before advance earlier | : in_advance ahead before early
: beforehand before first earlier | : afterwards after later then | : in_between between
: for_good permanently forever | : on_the_fly dynamically runtime live | : live online running mounted
: offline unmounted down | : by_hand manually | : hands-off unattended automatic
: unattended automatic non-interactive noninteractive batch | : questions prompt ask interactive
: without_asking assume_yes yes noconfirm non-interactive force | : assume treat pretend
: machine-readable parseable script json | : json machine-readable parseable
: human-readable human powers_of readable | : readable human printable | : plain text simple unformatted
: nested include depth level | : loop recursion cycle | : spare reserve standby | : odd unusual
: weird unusual invalid | : bogus invalid fake | : fake pretend dummy spoof | : spoof fake forge
: sniff eavesdrop capture | : tamper modify manipulate integrity | : outsider untrusted remote
: stranger unknown untrusted | : newcomer new | : box machine host system | : boxes machines hosts systems
: gear hardware device | : wire network line | : throughput bandwidth speed | : cap limit maximum ceiling
: floor minimum lowest | : ceiling maximum limit | : budget limit quota | : unit kilobytes bytes seconds
: grace_period grace delay wait | : grace_period timeout delay | : deadline timeout limit
: patience timeout wait | : lifetime ttl expire valid age duration | : age old maximum expire lifetime
: fresh recent new valid | : window interval period | : slot time place | : place directory path location
: spot location place | : folder directory | : home_directory home homedir | : working_directory cwd chdir
: mailbox mail spool | : post mail send | : letter mail character | : character wildcard sign symbol
: stand_for represent mean match denote | : wildcard character match | : typo error mistake
: nickname alias name | : alias shortcut nickname synonym | : shortcut alias abbreviation
: abbreviation short shorten | : variant version flavour type | : flavour variant type | : sort kind type
: breed type kind | : brand vendor manufacturer | : vendor manufacturer maker | : maker manufacturer author
: inventor author creator | : who author maintainer | : credit author thanks | : debian distribution package
: turn change rotate | : crank increase raise | : beef_up increase | : bump increase raise | : dial adjust set
: tune adjust optimize | : optimise optimize | : behave act | : quit exit stop end | : loud verbose
: crypto encryption cipher | : throwaway temporary | : leak expose disclose | : disclose reveal expose
: pinpoint locate identify | : tell_apart distinguish identify | : distinguish identify differ
: recall remember history | : history previous past log | : rewind back seek | : seek position skip
: paired matched | : handshake negotiation connect | : negotiate handshake agree | : mandatory required must
: compulsory required mandatory | : banned blocked forbidden | : unreachable down dead offline
: flap unstable up_and_down | : twin mirror copy | : clash conflict collision
: conflict clash collide incompatible | : overlap intersect conflict | : starve exhaust | : exhaust run_out
: outage down failure | : hiccup error failure | : blip transient | : spike burst peak
: burst spike temporary exceed | : flood overload too_many | : too_many exceed maximum limit
: too_big exceed maximum larger | : too_long exceed maximum timeout | : too_old expire stale
: overflow exceed full
# Phrases and idioms.
: share percentage fraction portion part | : put_aside reserve set_aside spare
: squeeze shrink minimize compress | : minimize smallest minimum shrink small | : jump step skip go
: slowly gradually slew | : correct adjust slew step fix | : give_up relinquish drop renounce
: half_way interrupt partial | : at_a_time at_once in_one_go simultaneously
: without_installing dry_run check test | : fit hold contain store capacity
: fall_back fallback default alternative | : of_its_own own custom individual
: gone no_longer obsolete removed vanished absent | : no_longer gone obsolete anymore
: need depend require use | : pull_in install depend include automatic | : go_wrong error fail failure
: went_wrong error fail failure | : put_in_front prepend prefix precede | : in_front prefix prepend before
: stick append attach add | : ending suffix extension end | : about_to before going
: another_machine remote host | : other_machine remote host | : other_host remote | : some_other_host remote
: other_end peer remote | : speak use protocol talk | : old legacy previous obsolete
: rather_than instead_of not | : instead_of rather_than replace | : logged_in online login
: every_user everyone all users | = repo repository | : get_at access reach fetch | : access reach get_at read
: went_away disconnected offline closed | : exactly_one single | : far_apart interval between distance
: grow_to maximum size | : power_cut crash outage failure | : unplug remove disconnect detach
: plug_in attach insert hotplug | : lag delay latency | : latency delay rtt | : nightly daily night
: every_night daily | : every_day daily | : each_day daily | : once_a_day daily | : every_week weekly
: once_a_week weekly | : every_month monthly | : every_hour hourly | : every_minute minutely
: weekday day_of_week | : tomorrow next_day | : daylight_saving dst | : drift skew offset
: accurate precise precision | : precise exact accurate | : rough approximate about
: all_interfaces any wildcard 0.0.0.0 | : loopback localhost 127.0.0.1 | : strict enforce
: enforce require force | : lenient permissive relaxed | : permissive relaxed allow | : consume use take eat
: preload prefetch | : readahead read_ahead prefetch | : dirty modified unwritten
: reverse inverse opposite backward | : inverse reverse invert | : invert reverse negate | : negate not invert
: opposite reverse contrary | : backwards reverse | : alphabetical sort name order | : in_order sort sequence
: order sequence sort | : first_come order | : oldest first least_recent | : newest latest most_recent
: least_recently_used lru | : lru least_recently_used | : round_robin roundrobin turn
= roundrobin round_robin | : in_turn roundrobin turn | : by_turns roundrobin | : at_random random
: pull fetch get receive | : push send upload | : hold_back keep_back delay postpone | : let_go release drop
: let_in allow accept permit | : keep_out deny block refuse | : shut_out block deny ban
: lock_out ban block deny | : let_through pass accept allow permit | : get_through pass reach
: pass_through forward relay | : keep_quiet silent suppress quiet | : shut_up quiet silent suppress
: keep_track track record | : note_down record log write | : write_down record log write
: look_into inspect check examine | : look_inside inspect open view examine | : look_through search scan
: go_through process iterate | : work_out compute determine calculate | : figure_out determine detect
: calculate compute determine | : make_up invent generate | : make_room free evict space
: tidy_up clean_up remove | : use_up exhaust consume | : fill_up full exhaust | : run_over exceed
: go_over exceed | : at_the_most at_most maximum | : at_the_least at_least minimum
: how_often interval frequency every | : how_soon delay after | : as_soon_as when immediately
: right_after immediately | : straight_after immediately | : by_mistake accidental error
: by_accident accidental | : accidental mistake unintended | : on_purpose deliberate intentional
: on_demand demand request lazily | : when_needed on_demand automatically | : ahead_of before
: in_place inplace existing | : in_the_middle during | : in_use busy open used | : in_vain fail
: up_to_date current newest | : out_of_date stale old obsolete | : out_of_sync inconsistent
: behind_the_scenes background | : under_load busy | : under_attack dos
: on_top_of above over | : on_top_of_each_other nested | : back_to_back consecutive
: one_by_one individually single | : one_at_a_time single serial sequential
: one_after_another serial sequential consecutive | : serial sequential one_after_another
: side_by_side parallel | : left_and_right horizontal | : above_each_other vertical
: top_and_bottom vertical | : number_of_times count | : way method mechanism manner
: method way mechanism algorithm | : tell specify instruct inform | : tell_it specify | : teach configure
: make_it force cause | : persuade force | : want require | : wish want | : care matter
: matter significant count | : crazy insane | : nothing none empty no | : nobody none no | : everything all
: anything any all | : somewhere location | : elsewhere another remote other | : nowhere none
: stranger unknown | : whoever user | : boss administrator root | : admin administrator root superuser
= admin administrator | : operator administrator | : colleague user | : laptop mobile | : phone mobile
: webpage page html web | : gui graphical | : graphical gui x11 | : mouse click pointer | : colourful color
: bold bright | : blink flash | : beep bell alarm | : bell beep alert | : title caption name
: status_line statusbar | : cursor pointer position | : selection copy highlight | : highlight mark
)";

/// Forms that no rule of suffixes takes to their base.
constexpr std::string_view kIrregular = R"(
was be | were be | began begin | begun begin | broke break | broken break | brought bring | built build
bought buy | caught catch | chose choose | chosen choose | came come | did do | done do | drew draw
drawn draw | driven drive | drove drive | fell fall | fallen fall | felt feel | found find | forgot forget
forgotten forget | forbade forbid | forbidden forbid | froze freeze | frozen freeze | gave give | given give
went go | gone go | got get | gotten get | grew grow | grown grow | held hold | hid hide | hidden hide
kept keep | knew know | known know | led lead | lent lend | lost lose | made make | meant mean | met meet
paid pay | ran run | said say | saw see | seen see | sent send | shown show | shook shake | slept sleep
spoke speak | spoken speak | spent spend | stood stand | stole steal | stolen steal | stuck stick | took take
taken take | taught teach | told tell | thought think | threw throw | thrown throw | understood understand
woke wake | woken wake | wrote write | written write | overridden override | overwritten overwrite
rebuilt rebuild | resent resend | indices index | matrices matrix | children child | people person | sat sit
sought seek | bound bind | bigger big | biggest big | larger large | largest large | smaller small
smallest small | older old | oldest old | newer new | newest new | lying lie | dying die | tying tie
)";

}  // namespace

std::string_view thesaurus_groups() noexcept {
  return kGroups;
}
std::string_view irregular_forms() noexcept {
  return kIrregular;
}

}  // namespace beluga::llm::offline_model
