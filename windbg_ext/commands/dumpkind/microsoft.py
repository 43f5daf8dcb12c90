"""Kernel-mode files that Microsoft ships with Windows, by name. A name is all that a small dump tells of a module.

The list says whose name it is, not who wrote the file that carries it; what is not on it is not known to be
Microsoft's, which is less than knowing that it is not. Collected by hand from the drivers folders of Windows 7 to 11.
"""

from __future__ import annotations


def is_microsoft(name: str) -> bool:
    """Tell whether a module has the name of one of Microsoft's files.

    Drivers that are loaded a second time, to write the crash dump or the hibernation file, carry a prefix.
    """
    lowered = name.lower()
    for prefix in ("dump_", "hiber_"):
        lowered = lowered[len(prefix) :] if lowered.startswith(prefix) else lowered
    return lowered in NAMES or lowered.startswith(PREFIXES)


PREFIXES = ("mpksl", "mcupdate_", "api-ms-win-", "ext-ms-win-")
"""MpKsl: Defender's definition updates, each with a random end; mcupdate_: microcode, one file for each maker."""

NAMES = frozenset(  # words are easier to keep in order than 400 literals
    """
nt nt.exe ntoskrnl.exe ntkrnlmp.exe ntkrnlpa.exe ntkrpamp.exe hal.dll kd.dll kdcom.dll kdnet.dll kdstub.dll kd1394.dll
kdusb.dll kdhv1394.dll kdhvcom.dll bootvid.dll ci.dll clfs.sys tm.sys pshed.dll cng.sys ksecdd.sys ksecpkg.sys
msrpc.sys clipsp.sys cmimcext.sys ntosext.sys werkernel.sys wpprecorder.sys sleepstudyhelper.sys acpiex.sys acpi.sys
wmilib.sys msisadrv.sys pci.sys vdrvroot.sys partmgr.sys spaceport.sys volmgr.sys volmgrx.sys mountmgr.sys volume.sys
volsnap.sys fvevol.sys rdyboost.sys iorate.sys mup.sys disk.sys classpnp.sys crashdmp.sys dumpfve.sys dumpstorport.sys
diskdump.sys storport.sys storahci.sys stornvme.sys ataport.sys atapi.sys pciide.sys pciidex.sys intelide.sys
msahci.sys scsiport.sys vhdmp.sys fltmgr.sys fileinfo.sys ntfs.sys refs.sys refsv1.sys fastfat.sys exfat.sys cdfs.sys
udfs.sys npfs.sys msfs.sys fs_rec.sys wof.sys wcifs.sys cldflt.sys bindflt.sys storqosflt.sys luafv.sys filecrypt.sys
cimfs.sys wcnfs.sys gpuenergydrv.sys ndis.sys netio.sys tcpip.sys tcpipreg.sys fwpkclnt.sys wfplwfs.sys afd.sys
afunix.sys netbt.sys netbios.sys tdx.sys tdi.sys nsiproxy.sys pacer.sys vwififlt.sys vwifibus.sys vwifimp.sys
nwifi.sys ndisuio.sys ndiscap.sys ndisimplatform.sys ndistapi.sys ndisvirtualbus.sys ndiswan.sys ndproxy.sys
wanarp.sys raspppoe.sys raspptp.sys rasl2tp.sys rassstp.sys agilevpn.sys rasacd.sys rspndr.sys lltdio.sys mslldp.sys
bridge.sys http.sys rdbss.sys mrxsmb.sys mrxsmb10.sys mrxsmb20.sys mrxdav.sys dfsc.sys srv.sys srv2.sys srvnet.sys
csc.sys tunnel.sys mpsdrv.sys peerdist.sys win32k.sys win32kbase.sys win32kfull.sys win32kns.sys cdd.dll dxg.sys
dxgkrnl.sys dxgmms1.sys dxgmms2.sys watchdog.sys basicdisplay.sys basicrender.sys monitor.sys videoprt.sys vga.sys
vgapnp.sys displaymux.sys tsddd.dll framebuf.dll wdf01000.sys wdfldr.sys wudfrd.sys wudfpf.sys umbus.sys umpass.sys
ucx01000.sys udecx.sys usbd.sys usbhub.sys usbhub3.sys usbport.sys usbehci.sys usbohci.sys usbuhci.sys usbxhci.sys
usbccgp.sys usbstor.sys uaspstor.sys usbscan.sys usbprint.sys usbser.sys usbaudio.sys usbaudio2.sys usbvideo.sys
ucmcx.sys ucmucsi.sys ucmucsicx.sys ucmucsiacpiclient.sys urscx01000.sys winusb.sys hidclass.sys hidparse.sys
hidusb.sys hidi2c.sys hidspi.sys hidbth.sys hidinterrupt.sys mouhid.sys kbdhid.sys mouclass.sys kbdclass.sys
i8042prt.sys sermouse.sys mshidkmdf.sys mshidumdf.sys buttonconverter.sys kbldfltr.sys bthport.sys bthusb.sys
bthenum.sys bthpan.sys bthmodem.sys bthleenum.sys bthhfenum.sys bthhfaud.sys btha2dp.sys rfcomm.sys
microsoft.bluetooth.legacy.leenumerator.sys microsoft.bluetooth.avrcptransport.sys bthmini.sys portcls.sys drmk.sys
drmkaud.sys ks.sys ksthunk.sys hdaudbus.sys hdaudio.sys mskssrv.sys swenum.sys mspqm.sys mspclock.sys mstee.sys
intelppm.sys amdppm.sys processr.sys cmbatt.sys battc.sys compbatt.sys wmiacpi.sys acpipagr.sys acpitime.sys
acpipmi.sys acpidev.sys intelpep.sys intelpmax.sys pdc.sys cea.sys condrv.sys beep.sys null.sys dam.sys bam.sys
ahcache.sys mmcss.sys pcw.sys peauth.sys tbs.sys tpm.sys mssecflt.sys msseccore.sys mssecwfp.sys applockerfltr.sys
appid.sys appvvemgr.sys appvvfs.sys appvstrm.sys uevagentdriver.sys wdfilter.sys wdnisdrv.sys wdboot.sys sgrmagent.sys
lxcore.sys lxss.sys p9rdr.sys wscvreg.sys vmbkmcl.sys vmbkmclr.sys vmbus.sys vmbusr.sys hvservice.sys hvsocket.sys
hvsocketcontrol.sys hyperkbd.sys hypervideo.sys netvsc.sys storvsc.sys storvsp.sys vmswitch.sys vmsproxy.sys
vmsvcext.sys winhv.sys winhvr.sys vid.sys vpcivsp.sys vpci.sys synth3dvsc.sys vmgid.sys vmstorfl.sys dmvsc.sys
passthruparser.sys pvhdparser.sys vfpext.sys vmgencounter.sys hvcrash.sys hvloader.dll serial.sys serenum.sys
parport.sys parvdm.sys sdbus.sys sdstor.sys sffdisk.sys sffp_sd.sys rdpbus.sys rdpdr.sys rdpvideominiport.sys
terminpt.sys tsusbflt.sys tsusbgd.sys tsusbhub.sys tdtcp.sys tdpipe.sys rdpwd.sys rdpcdd.sys rdpencdd.sys rdprefmp.sys
termdd.sys qwavedrv.sys npsvctrig.sys ramdisk.sys rdvgkmd.sys scfilter.sys smbdirect.sys swprv.sys winnat.sys wtd.sys
ws2ifsl.sys gpioclx.sys msgpioclx.sys msgpiowin32.sys spbcx.sys sercx.sys sercx2.sys pnpmem.sys bttflt.sys vhf.sys
circlass.sys cdrom.sys errdev.sys filetrace.sys fdc.sys flpydisk.sys hwpolicy.sys indirectkmd.sys invdimm.sys
msiscsi.sys isapnp.sys mf.sys mpio.sys msdsm.sys mshwnclx.sys netadaptercx.sys wificx.sys mbbcx.sys wwanprotdim.sys
wwan.sys ndu.sys pmem.sys scmbus.sys ehstorclass.sys ehstortcgdrv.sys enhancedstorage.sys acxhdaudio.sys acx01000.sys
compositebus.sys rdpnp.sys blbdrive.sys discache.sys spldr.sys mpfilter.sys nisdrv.sys ksecnp.sys kdnic.sys mmscx.sys
usbcir.sys wmbclass.sys usbncm.sys usb8023.sys usbrndis6.sys rndismp.sys rndismp6.sys rmcast.sys dxgsi.sys ntdll.dll
smss.exe bowser.sys cad.sys fsdepends.sys mssmbios.sys mtconfig.sys prm.sys ucpd.sys uefi.sys unionfs.sys
windowstrustedrt.sys windowstrustedrtproxy.sys bfs.sys dumpata.sys storufs.sys gameflt.sys msquic.sys symcryptk.dll
wdiwifi.sys win32kbase_rs.sys xvdd.sys intelta.sys intelpmt.sys kmpdc.sys executioncontext.sys vmsproxyhnic.sys
mcupdate.dll kerb3961kernel.sys fxppm.sys
""".split()  # noqa: SIM905 - see above
)
